"""Expect: 100-continue in the buffered mode: the server checks first, then asks for the body, then calls Python."""
import json

import pytest

import harness

HEAD = "POST /%s HTTP/1.1\r\nHost: t\r\n"


@pytest.fixture(scope="module")
def server(start_shared):
    more = ["--limit-request-body", "1000000"] if harness.kind() == "gosrv" else []
    return start_shared("echo_request", *more)


def follows(wire, target="/next"):
    """The connection is in order: the next request on it is seen as sent."""
    got = json.loads(wire.get(target).body)
    assert (got["method"], got["target"], got["body"]) == ("GET", target, "")


KEEPS = pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")


@pytest.mark.matrix
@pytest.mark.parametrize("word", ["100-continue", "100-Continue", "100-CONTINUE"])
def test_the_body_is_asked_for_once(server, word):
    with server.wire() as wire:
        wire.send(HEAD % "a" + "Content-Length: 4\r\nExpect: %s\r\n\r\n" % word)
        assert wire.answer().status_line == "HTTP/1.1 100 Continue"
        wire.send("body")
        answer = wire.answer()
        assert answer.status == 200 and json.loads(answer.body)["body"] == "body"


@KEEPS
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_the_next_request_on_the_connection(server, framing):
    with server.wire() as wire:
        for n in range(5):
            if framing == "length":
                wire.send(HEAD % n + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
                assert wire.answer().status == 100
                wire.send("body")
            else:
                wire.send(HEAD % n + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
                assert wire.answer().status == 100
                wire.send("4\r\nbody\r\n0\r\n\r\n")
            assert json.loads(wire.answer().body)["body"] == "body"
            follows(wire)


@KEEPS
def test_python_is_entered_when_the_body_is_complete(server):
    with server.wire() as wire:
        wire.send(HEAD % "early" + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert wire.answer().status == 100
        assert "/early" not in server.get("/seen").json()
        wire.send("bo")
        assert "/early" not in server.get("/seen").json()
        wire.send("dy")
        assert wire.answer().status == 200
    assert "/early" in server.get("/seen").json()


@KEEPS
@pytest.mark.parametrize("tail", ["Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4\r\nbody\r\n0\r\n\r\n"])
def test_no_100_when_the_body_is_here_already(server, tail):
    with server.wire() as wire:
        wire.send(HEAD % "here" + tail)
        answer = wire.answer()
        assert answer.status == 200 and json.loads(answer.body)["body"] == "body"
        follows(wire)


@KEEPS
def test_no_100_without_a_body(server):
    for tail in ("Content-Length: 0\r\nExpect: 100-continue\r\n\r\n", "Expect: 100-continue\r\n\r\n"):
        with server.wire() as wire:
            wire.send(HEAD % "none" + tail)
            assert wire.answer().status == 200
            follows(wire)


def test_http_10_has_no_expectations(server):
    with server.wire() as wire:
        wire.send("POST / HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        wire.send("body")
        answer = wire.answer()
        assert answer.status == 200 and json.loads(answer.body)["body"] == "body"


@pytest.mark.gosrv_only("Gunicorn has no limit of the body")
class TestTheAnswerComesFirst:
    """A final status instead of 100: the client keeps its body, and the connection ends."""

    @pytest.mark.parametrize("line, status", [
        ("Content-Length: 1000001\r\nExpect: 100-continue", 413),
        ("Content-Length: 5\r\nExpect: 200-ok", 417),
        ("Content-Length: 5\r\nExpect: 100-continue, 100-continue", 417),
        ("Content-Length: 5\r\nExpect: 100-continue;q=1", 417),
        ("Content-Length: 5\r\nExpect: y 100-continue", 417),
        ("Content-Length: 5\r\nExpect:", 417),
        ("Content-Length: 5\r\nContent-Length: 5\r\nExpect: 100-continue", 400),
        ("Transfer-Encoding: smoke\r\nExpect: 100-continue", 501),
    ])
    def test_refused(self, server, line, status):
        before = server.get("/seen").json()
        with server.wire() as wire:
            wire.send(HEAD % "refused" + line + "\r\n\r\n")
            answer = wire.answer()
            assert answer.status == status and answer.get("Connection") == "close"
            try:
                wire.send("GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n")
            except OSError:
                pass
            assert wire.closed()
        assert server.get("/seen").json() == before

    def test_chunked_over_the_limit(self, server):
        with server.wire() as wire:
            wire.send(HEAD % "much" + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
            assert wire.answer().status == 100
            wire.send(b"f4241\r\n" + b"x" * 1_000_001 + b"\r\n0\r\n\r\n")
            assert wire.answer().status == 413


@pytest.mark.gosrv_only("Gunicorn writes 103 in another way")
def test_early_hints(start):
    server = start("early_hints")
    with server.wire() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        first = wire.answer()
        assert first.status_line == "HTTP/1.1 103 Early Hints" and first.all("Link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]
        assert wire.answer().body == b"hinted"
        assert wire.get("/evil").status == 200
    with server.wire() as wire:
        assert wire.get("/", version="HTTP/1.0").body == b"hinted"
