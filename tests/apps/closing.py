"""Bodies whose close() is counted by request: /KIND?id=x answers, /count?id=x tells how often x was closed, /count?id=asked-x
whether the application was asked for it.

Each close() and each generator's `finally` is also said in the log, so that it can be seen after the worker's end.
"""
import json
import os
import threading
from urllib.parse import parse_qs

counts = {}
asked = set()
lock = threading.Lock()


def note(name, word):
    with lock:
        counts[name] = counts.get(name, 0) + 1
    os.write(2, b"%s %s\n" % (word, name.encode()))


class Body:
    """Pieces from an iterator; optionally with a length."""

    def __init__(self, name, pieces):
        self.name = name
        self.pieces = pieces

    def __iter__(self):
        return iter(self.pieces)

    def close(self):
        note(self.name, b"CLOSED")


class Sized(Body):
    def __len__(self):
        return 1


class RaisingClose(Body):
    def close(self):
        super().close()
        raise RuntimeError("RAISED in close")


class RaisingIter(Body):
    def __iter__(self):
        raise RuntimeError("RAISED in iter")


def endless(count, size):
    for _ in range(count):
        yield b"x" * size


def raising_first():
    raise RuntimeError("RAISED at first")
    yield b""


def raising_later():
    yield b"piece"
    raise RuntimeError("RAISED later")


def with_finally(name, count, size):
    try:
        for _ in range(count):
            yield b"x" * size
    finally:
        note(name, b"FINALLY")


def wrong_piece():
    yield b"piece"
    yield "text"


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    kind, name = environ["PATH_INFO"][1:], query.get("id", "")
    if kind != "count":
        asked.add("asked-" + name)
    count, size = int(query.get("n", "3")), int(query.get("size", "10"))
    headers = [("Content-Type", "text/plain")]
    if "length" in query:
        headers.append(("Content-Length", query["length"]))
    if kind == "unstarted":
        return Body(name, [b"no head"])
    if kind == "badhead":
        start_response("200 OK", [("X-Bad", "a\r\nb")])
        return Body(name, [b"x"])
    if kind != "late":
        start_response(query.get("status", "200 OK"), headers)
    makers = {
        "count": lambda: [json.dumps(counts.get(name, int(name in asked))).encode()],
        "pieces": lambda: Body(name, endless(count, size)),
        "list": lambda: Body(name, [b"one"]),
        "sized": lambda: Sized(name, [b"one"]),
        "empty": lambda: Body(name, []),
        "generator": lambda: with_finally(name, count, size),
        "first": lambda: Body(name, raising_first()),
        "later": lambda: Body(name, raising_later()),
        "iter": lambda: RaisingIter(name, []),
        "wrong": lambda: Body(name, wrong_piece()),
        "closing": lambda: RaisingClose(name, [b"whole"]),
        "late": lambda: Body(name, late(start_response)),
    }
    return makers.get(kind, lambda: [b"ready"])()


def late(start_response):
    """Allowed: start_response is called when the first piece is asked for."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"late"
