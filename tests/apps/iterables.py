"""Every kind of iterable PEP 3333 allows; /closed tells how often close() was called on those that count it."""
import json
from urllib.parse import parse_qs

closes = {"count": 0}


class Counting:
    """An iterable whose close() is counted; `pieces` may be any iterator of bytes."""

    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        return iter(self.pieces)

    def close(self):
        closes["count"] += 1


class WithLength(Counting):
    def __len__(self):
        return len(self.pieces)


class OldSequence:
    """Iterable through __getitem__ alone."""

    def __getitem__(self, index):
        return [b"by ", b"index"][index]


def numbers(count, size):
    for n in range(count):
        yield b"%0*d" % (size, n)


def failing():
    yield b"first "
    raise RuntimeError("RAISED-in-counting")


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    count = int(query.get("n", ["10"])[0])
    size = int(query.get("size", ["10"])[0])
    kind = environ["PATH_INFO"][1:]
    headers = [("Content-Type", "text/plain")]
    if "length" in query:
        headers.append(("Content-Length", query["length"][0]))
    start_response("200 OK", headers)
    makers = {
        "list": lambda: [b"one"],
        "tuple": lambda: (b"one ", b"two"),
        "empty": lambda: [],
        "empty_strings": lambda: [b"", b"a", b"", b"b", b""],
        "generator": lambda: numbers(count, size),
        "counting": lambda: Counting(numbers(count, size)),
        "counting_length": lambda: WithLength([b"one"]),
        "counting_failing": lambda: Counting(failing()),
        "old_sequence": lambda: OldSequence(),
        "closed": lambda: [json.dumps(closes).encode()],
    }
    return makers.get(kind, lambda: [b"ready"])()
