"""After a malformed request nothing of it is answered as a request, whatever the trick; the connection ends.

The application keeps the targets of all requests it was given: what must not be served is looked for there.
"""
import pytest

import harness
from feeding import bytewise, feed

pytestmark = pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")
HOST = b"Host: t\r\n"
GOOD = b"GET /good HTTP/1.1\r\n" + HOST + b"\r\n"
EVIL = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /first HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CL = b"Content-Length: %d\r\n" % len(EVIL)

# A good request goes before each; the request of the name is malformed, and behind it waits one that no one may see.
MALFORMED = {
    "cl and te": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL,
    "te and cl": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX" + EVIL,
    "te twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL,
    "te, te": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + EVIL,
    "te identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + EVIL,
    "te xchunked": POST + b"Transfer-Encoding: xchunked\r\n" + CL + b"\r\n" + EVIL,
    "te quoted": POST + b"Transfer-Encoding: \"chunked\"\r\n" + CL + b"\r\n" + EVIL,
    "te vt": POST + b"Transfer-Encoding: \x0bchunked\r\n" + CL + b"\r\n" + EVIL,
    "te nbsp": POST + b"Transfer-Encoding: chunked\xa0\r\n" + CL + b"\r\n" + EVIL,
    "te nel": POST + b"Transfer-Encoding: \x85chunked\r\n" + CL + b"\r\n" + EVIL,
    "te empty": POST + b"Transfer-Encoding:\r\n" + CL + b"\r\n" + EVIL,
    "te with parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" + EVIL,
    "te space before colon": POST + b"Transfer-Encoding : chunked\r\n" + CL + b"\r\n" + EVIL,
    "te folded": POST + b"Transfer-Encoding:\r\n chunked\r\n" + CL + b"\r\n" + EVIL,
    "te in 1.0": b"POST /first HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL,
    "te after a bare lf": POST + b"X: y\nTransfer-Encoding: chunked\r\n" + CL + b"\r\n" + EVIL,
    "te after a bare cr": POST + b"X: y\rTransfer-Encoding: chunked\r\n" + CL + b"\r\n" + EVIL,
    "cl twice": POST + b"Content-Length: 0\r\n" + CL + b"\r\n" + EVIL,
    "cl list": POST + b"Content-Length: 0, %d\r\n\r\n" % len(EVIL) + EVIL,
    "cl plus": POST + b"Content-Length: +%d\r\n\r\n" % len(EVIL) + EVIL,
    "cl hex": POST + b"Content-Length: 0x0\r\n\r\n" + EVIL,
    "cl underscore": POST + b"Content-Length: 0_0\r\n\r\n" + EVIL,
    "cl negative": POST + b"Content-Length: -1\r\n\r\n" + EVIL,
    "cl empty": POST + b"Content-Length:\r\n\r\n" + EVIL,
    "cl of 2^64": POST + b"Content-Length: 18446744073709551616\r\n\r\n" + EVIL,
    "cl of 2^63": POST + b"Content-Length: 9223372036854775808\r\n\r\n" + EVIL,
    "cl vt": POST + b"Content-Length: \x0b0\r\n\r\n" + EVIL,
    "chunk not hex": CHUNKED + b"z\r\n" + EVIL,
    "chunk 0x": CHUNKED + b"0x0\r\n\r\n" + EVIL,
    "chunk signed": CHUNKED + b"+0\r\n\r\n" + EVIL,
    "chunk -0": CHUNKED + b"-0\r\n\r\n" + EVIL,
    "chunk space": CHUNKED + b" 0\r\n\r\n" + EVIL,
    "chunk underscore": CHUNKED + b"1_0\r\n\r\n" + EVIL,
    "chunk of 2^64": CHUNKED + b"10000000000000000\r\nx\r\n0\r\n\r\n" + EVIL,
    "chunk of 2^64 + 5": CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n" + EVIL,
    "chunk size ends in lf": CHUNKED + b"5\nhello\r\n0\r\n\r\n" + EVIL,
    "chunk size ends in cr": CHUNKED + b"5\rhello\r\n0\r\n\r\n" + EVIL,
    "chunk data ends in lf": CHUNKED + b"5\r\nhello\n0\r\n\r\n" + EVIL,
    "chunk data ends in xx": CHUNKED + b"5\r\nhelloXX0\r\n\r\n" + EVIL,
    "chunk data too long": CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n" + EVIL,
    "chunk extension with lf": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n" + EVIL,
    "chunk extension with nul": CHUNKED + b"5;a\x00b\r\nhello\r\n0\r\n\r\n" + EVIL,
    "chunk extension without a name": CHUNKED + b"5;\r\nhello\r\n0\r\n\r\n" + EVIL,
    "last chunk ends in lf": CHUNKED + b"0\n\n" + EVIL,
    "trailer with content-length": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n" + EVIL,
    "trailer with host": CHUNKED + b"0\r\nHost: evil\r\n\r\n" + EVIL,
    "trailer without colon": CHUNKED + b"0\r\nnonsense\r\n\r\n" + EVIL,
    "trailer folded": CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n" + EVIL,
    "two hosts": b"GET /first HTTP/1.1\r\n" + HOST + b"Host: evil\r\n\r\n" + EVIL,
    "no host": b"GET /first HTTP/1.1\r\n\r\n" + EVIL,
    "header without colon": b"GET /first HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n" + EVIL,
    "bare lf in the head": b"GET /first HTTP/1.1\r\n" + HOST + b"X: y\n\r\n" + EVIL,
    "lf lf": b"GET /first HTTP/1.1\nHost: t\n\n" + EVIL,
    "nul in a header": b"GET /first HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n" + EVIL,
    "space in the target": b"GET /first /second HTTP/1.1\r\n" + HOST + b"\r\n" + EVIL,
    "http/0.9": b"GET /first\r\n" + EVIL,
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + EVIL,
    "expectation": POST + b"Expect: x 100-continue\r\n" + CL + b"\r\n" + EVIL,
    "connect": b"CONNECT t:80 HTTP/1.1\r\nHost: t:80\r\n\r\n" + EVIL,
    "tls hello": b"\x16\x03\x01\x00\xa5\x01\r\n\r\n" + EVIL,
}

# Proper requests whose body is, or hides, a request: it stays a body, and the connection stays in order.
BODIES = {
    "get with a body": b"GET /first HTTP/1.1\r\n" + HOST + CL + b"\r\n" + EVIL,
    "head with a body": b"HEAD /first HTTP/1.1\r\n" + HOST + CL + b"\r\n" + EVIL,
    "options with a body": b"OPTIONS * HTTP/1.1\r\n" + HOST + CL + b"\r\n" + EVIL,
    "trace with a body": b"TRACE /first HTTP/1.1\r\n" + HOST + CL + b"\r\n" + EVIL,
    "chunk with a request": CHUNKED + b"%x\r\n" % len(EVIL) + EVIL + b"\r\n0\r\n\r\n",
    "chunk size with zeros": CHUNKED + b"0000%x\r\n" % len(EVIL) + EVIL + b"\r\n0000\r\n\r\n",
    "chunk extension with a request": CHUNKED + b"1;x=\"GET /smuggled HTTP/1.1\"\r\nx\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"1\r\nx\r\n0\r\nX-Smuggled: GET /smuggled HTTP/1.1\r\n\r\n",
    "expect with the body at once": POST + b"Expect: 100-continue\r\n" + CL + b"\r\n" + EVIL,
    "upgrade": b"GET /first HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CL + b"\r\n" + EVIL,
    "underscored framing": POST + b"Transfer_Encoding: chunked\r\nContent_Length: 0\r\n" + CL + b"\r\n" + EVIL,
    "padded length": POST + b"Content-Length: \t %d \t\r\n\r\n" % len(EVIL) + EVIL,
}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("echo_request", *harness.patient(), bind=["127.0.0.1:0", "unix:DIR/app.sock"], log_level="info")


def never_smuggled(server):
    assert "/smuggled" not in server.get("/seen").json()


@pytest.mark.parametrize("way", ["whole", "bytewise"])
@pytest.mark.parametrize("trick", sorted(MALFORMED))
def test_malformed(server, trick, way):
    raw = GOOD + MALFORMED[trick]
    got = feed(server.addresses[1], [raw] if way == "whole" else bytewise(raw), finish=False)
    assert got.targets == ["/good"], got
    assert 400 <= got.statuses[-1] < 600 and len(got.statuses) == 2 and got.rest == b""
    assert got.answers[-1].get("Connection") == "close"
    never_smuggled(server)


@pytest.mark.parametrize("way", ["whole", "bytewise"])
@pytest.mark.parametrize("trick", sorted(BODIES))
def test_a_request_inside_a_body(server, trick, way):
    head = trick.startswith("head")
    raw = BODIES[trick] + b"GET /good HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    if head:
        raw = raw.replace(b"HEAD /first", b"PUT /first")
    got = feed(server.addresses[1], [raw] if way == "whole" else bytewise(raw), finish=False)
    assert got.targets[-1:] == ["/good"] and len(got.statuses) == 2, got
    never_smuggled(server)


@pytest.mark.parametrize("status", ["/204", "/304", "/200"])
def test_answers_without_a_body_do_not_shift_the_next(start_shared, status):
    """HEAD, 204 and 304: a body there would be taken for the next answer by the client."""
    server = start_shared("statuses")
    with server.wire() as wire:
        wire.send("HEAD /200?length HTTP/1.1\r\nHost: t\r\n\r\nGET %s HTTP/1.1\r\nHost: t\r\n\r\nGET /404?length HTTP/1.1\r\nHost: t\r\n\r\n" % status)
        assert wire.answer("HEAD").status == 200
        assert wire.answer().status == int(status[1:])
        assert (wire.answer().status, wire.kept) == (404, b"")


def test_what_follows_a_close_is_ignored(server):
    got = feed(server.addresses[0], [b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + EVIL], finish=False)
    assert got.targets == ["/last"]
    never_smuggled(server)


def test_what_follows_a_failed_request_is_in_order(start_shared):
    """The application fails without having read its body: the body is not the next request."""
    server = start_shared("raising")
    with server.wire() as wire:
        wire.send(b"POST /before HTTP/1.1\r\n" + HOST + CL + b"\r\n" + EVIL)
        assert wire.answer().status == 500
        assert wire.rest().count(b"HTTP/1.1 ") == 0
