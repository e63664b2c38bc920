"""close() of the iterable is called exactly once, whatever becomes of the answer."""
import itertools
import socket
import struct

import pytest

import harness
from waiting import wait_for
from wire import Wire, once

numbers = itertools.count()


class Closes:
    """A server with `closing`, and the names of the bodies it was asked for."""

    def __init__(self, server):
        self.server = server
        self.names = []

    def path(self, kind, more=""):
        self.names.append("body%d" % next(numbers))
        return "/%s?id=%s%s" % (kind, self.names[-1], more)

    def count(self, name):
        return self.server.get("/count?id=" + name).json()

    def wait_once(self):
        """The last body asked for is closed, and only once."""
        name = self.names[-1]
        wait_for(lambda: self.count(name) >= 1, lambda: "close() of %s\n%s" % (name, self.server.log[-3000:]))
        assert self.count(name) == 1


@pytest.fixture(scope="module", params=[(), ("--threads", "2")], ids=["sync", "threads"])
def closes(start_shared, request):
    found = Closes(start_shared("closing", *request.param))
    yield found
    if harness.kind() == "gunicorn":
        return  # it forgets close() now and then when a client resets
    assert {name: found.count(name) for name in found.names} == dict.fromkeys(found.names, 1)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("kind", ["pieces", "list", "sized", "empty", "generator", "late", "closing"])
def test_a_whole_answer(closes, kind, method):
    with closes.server.wire() as wire:
        assert wire.get(closes.path(kind), method=method).status == 200
        closes.wait_once()


@pytest.mark.parametrize("more", ["&status=204+No", "&status=304+No", "&length=5", "&length=0", "&n=0&length=0"])
@pytest.mark.parametrize("kind", ["pieces", "generator"])
def test_an_answer_that_takes_less_than_there_is(closes, kind, more):
    with closes.server.wire() as wire:
        wire.get(closes.path(kind, more), "Connection: close")
        if kind == "pieces" or "status" not in more:
            closes.wait_once()
        else:
            # A generator that was never started has no `finally` to run.
            wait_for(lambda: closes.count(closes.names[-1]) <= 1, "the end")
            closes.names.pop()


@pytest.mark.parametrize("kind", ["first", "iter", "later", "wrong", "unstarted", "badhead"])
def test_a_failed_answer(closes, kind):
    once(closes.server.address, b"GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % closes.path(kind).encode())
    if kind == "badhead" and harness.kind() == "gunicorn":
        return  # not closed there
    closes.wait_once()


def test_a_body_shorter_than_its_length(closes):
    once(closes.server.address, b"GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % closes.path("pieces", "&length=1000").encode())
    closes.wait_once()


def test_an_http_10_answer(closes):
    once(closes.server.address, b"GET %s HTTP/1.0\r\n\r\n" % closes.path("pieces").encode())
    closes.wait_once()


LARGE = "&n=1000&size=100000"


def reset(wire):
    """Close with RST, as a client that dies does."""
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.sock.close()


@pytest.mark.parametrize("kind", ["pieces", "generator"])
@pytest.mark.parametrize("way", ["close", "reset"])
class TestTheClientLeaves:
    """At byte 0, in the middle, at the end."""

    def leave(self, wire, way):
        reset(wire) if way == "reset" else wire.sock.close()

    def ask(self, closes, path):
        wire = Wire(closes.server.address)
        return wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)

    def test_before_the_first_byte(self, closes, kind, way):
        for _ in range(5):
            wire = self.ask(closes, closes.path(kind, LARGE))
            self.leave(wire, way)
            wait_for(lambda: closes.count(closes.names[-1]) or self.never_began(closes, kind), "close()")

    def never_began(self, closes, kind):
        """The server may see the reset before it reads the request: then there is nothing to close."""
        body = closes.names[-1]
        asked = closes.server.get("/count?id=asked-" + body).json()
        if not asked:
            closes.names.remove(body)
        return not asked

    def test_in_the_middle(self, closes, kind, way):
        wire = self.ask(closes, closes.path(kind, LARGE))
        for _ in range(20):
            wire.more()
        self.leave(wire, way)
        closes.wait_once()

    def test_at_the_end(self, closes, kind, way):
        wire = self.ask(closes, closes.path(kind, "&n=3&size=1000"))
        wire.until(b"\r\n\r\n")
        self.leave(wire, way)
        closes.wait_once()


def stalled(closes):
    """A client that asks for much and reads nothing; the server has given it all that the socket takes."""
    wire = Wire(closes.server.address, room=4096)
    wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % closes.path("pieces", "&n=1000&size=100000"))
    wire.until(b"\r\n\r\n")
    return wire


@pytest.mark.gosrv_only("a client that reads nothing holds Gunicorn's worker")
@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_a_client_that_reads_nothing_is_given_up(start, args):
    closes = Closes(start("closing", "--write-timeout", "1", *args))
    wire = stalled(closes)
    closes.wait_once()
    wire.sock.close()
