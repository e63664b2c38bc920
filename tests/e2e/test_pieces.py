"""Pieces of a generator that come quickly may leave together, but none waits for the next: PEP 3333, "Buffering and Streaming"."""
import itertools
import os
import socket
import struct
import sys

import pytest

from harness import ROOT
from waiting import wait_for

sys.path.insert(0, str(ROOT / "tests/apps"))
from quick_pieces import piece, random_pieces

numbers = itertools.count()
FORKS = pytest.mark.gosrv_only("a forked child that returns into Gunicorn serves on")
FRAMINGS = ["chunked", "length", "old"]


@pytest.fixture(scope="module", params=[(), ("--threads", "3"), ("--workers", "2")], ids=["sync", "threads", "workers"])
def served(start_shared, request):
    return start_shared("quick_pieces", *request.param, "--access-logfile", "-", "--access-logformat", "SENT %(U)s?%(q)s %(b)s")


def logged(server, target, size):
    """The access log has so many bytes for this request."""
    wait_for(lambda: "SENT %s %d\n" % (target, size) in server.out, lambda: "%d bytes of %s in %s" % (size, target, server.out[-2000:]))


class Fifo:
    """What a generator waits for; whatever happens to the test, it does not wait for ever."""

    def __init__(self, folder):
        self.path = str(folder / "fifo")
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR)

    def __enter__(self):
        return self

    def let_go(self):
        os.write(self.fd, b"x")

    def __exit__(self, *exc):
        self.let_go()
        os.close(self.fd)


@pytest.fixture
def fifo(tmp_path):
    with Fifo(tmp_path) as found:
        yield found


class Request:
    """A GET in one of three framings, and its body read as it comes."""

    def __init__(self, wire, framing, target, length):
        self.wire, self.framing = wire, framing
        self.target = "%s&id=%d%s" % (target, next(numbers), "&length=%d" % length if framing == "length" else "")
        wire.send("GET %s HTTP/1.%d\r\nHost: t\r\n\r\n" % (self.target, framing != "old"))
        status, self.headers = wire.head()
        assert status.endswith(" 200 OK")

    def take(self, text):
        """The next bytes of the body are these, each piece in a chunk of its own."""
        for line in text.splitlines(keepends=True):
            if self.framing == "chunked":
                line = b"%x\r\n%s\r\n" % (len(line), line)
            assert self.wire.exactly(len(line)) == line

    def end(self):
        if self.framing == "chunked":
            assert self.wire.exactly(5) == b"0\r\n\r\n"
        if ("Connection", "close") in self.headers:
            assert self.wire.closed()
        else:
            assert self.wire.get("/?n=1").body == piece(0)


@pytest.mark.matrix
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("kind", ["stuck", "keeps_gil"])
def test_pieces_arrive_while_the_generator_does_something_else(served, fifo, kind, count, framing):
    """It waits for what the client does only when it has them, without the GIL or with it."""
    quick = b"".join(map(piece, range(count)))
    with served.wire(60) as wire:
        request = Request(wire, framing, "/%s?n=%d&fifo=%s" % (kind, count, fifo.path), len(quick) + 4)
        request.take(quick)
        fifo.let_go()
        request.take(b"end\n")
        request.end()


@pytest.mark.not_green("it is about threads")
def test_several_generators_at_once(start, tmp_path):
    server = start("--threads", "3", "quick_pieces")
    folders = [tmp_path / str(n) for n in range(3)]
    for folder in folders:
        folder.mkdir()
    with Fifo(folders[0]) as a, Fifo(folders[1]) as b, Fifo(folders[2]) as c, server.wire(60) as x, server.wire(60) as y, server.wire(60) as z:
        requests = [(Request(wire, "chunked", "/stuck?n=3&fifo=" + fifo.path, 0), fifo) for wire, fifo in ((x, a), (y, b), (z, c))]
        for request, _ in requests:
            request.take(b"".join(map(piece, range(3))))
        for request, fifo in requests:
            fifo.let_go()
            request.take(b"end\n")
            request.end()


@pytest.mark.matrix
@pytest.mark.parametrize("framing", FRAMINGS)
def test_pieces_come_whole_and_in_order_at_any_pace(served, framing):
    for seed in range(12):
        body = b"".join(text for _, text in random_pieces(seed))
        with served.wire(60) as wire:
            length = "&length=%d" % len(body) if framing == "length" else ""
            answer = wire.get("/random?seed=%d%s" % (seed, length), version="HTTP/1.%d" % (framing != "old"))
            assert answer.body == body, seed
            if framing == "chunked":
                assert answer.chunks == [len(text) for _, text in random_pieces(seed)]
            logged(served, "/random?seed=%d%s" % (seed, length), len(body))


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind, words", [
    ("raises", "RuntimeError: RAISED-after-pieces"), ("wrong", "not a byte|other than bytes"), ("starts_again", "ValueError: REASON-to-start-again"),
])
def test_pieces_before_a_failure_arrive(served, kind, words, framing):
    quick = b"".join(map(piece, range(3)))
    with served.wire(60) as wire:
        request = Request(wire, framing, "/%s?n=3" % kind, 1000)
        request.take(quick)
        assert wire.rest() == b"", "nothing that looks like a regular end"
    served.wait_log(words)
    served.wait_log(r"CLOSED %s\n" % request.target.replace("?", r"\?"))


@pytest.mark.parametrize("kind, text", [("writes", b"written\n"), pytest.param("forks", b"", marks=FORKS), ("empties", b""), pytest.param("socket", b"socket\n", marks=pytest.mark.plain_only("over TLS the socket cannot be taken once an answer has begun"))])
def test_what_else_a_generator_does_keeps_the_order(served, kind, text):
    for count in (1, 3, 8):
        with served.wire(60) as wire:
            request = Request(wire, "chunked", "/%s?n=%d" % (kind, count), 0)
            request.take(b"".join(map(piece, range(count))) + text + b"end\n")
            request.end()


def test_write_counts_to_the_length(served):
    body = piece(0) + piece(1) + b"written\nend\n"
    for cut in (0, 1, 4, 9):
        with served.wire(60) as wire:
            request = Request(wire, "length", "/writes?n=2", len(body) - cut)
            request.take(body[:len(body) - cut])
            request.end()


@pytest.mark.gosrv_only("Gunicorn sends what exceeds the length")
def test_quick_pieces_that_exceed_the_length_are_cut(served):
    body = b"".join(map(piece, range(10)))
    for length in (1, len(piece(0)), len(piece(0)) + 1, len(body) - 1):
        with served.wire(60) as wire:
            request = Request(wire, "length", "/?n=10", length)
            request.take(body[:length])
            request.end()
            logged(served, request.target, length)


def test_a_client_that_goes_away_meanwhile(served, fifo):
    """The generator is closed when it comes back, and others are served."""
    with served.wire(60) as wire:
        request = Request(wire, "chunked", "/stuck?n=2&fifo=" + fifo.path, 0)
        request.take(piece(0) + piece(1))
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    fifo.let_go()
    served.wait_log(r"CLOSED %s\n" % request.target.replace("?", r"\?"))
    assert served.wire(60).get("/?n=2").body == piece(0) + piece(1)
