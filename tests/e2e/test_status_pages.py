"""What a refused client is told: the right status and phrase, a page that never changes, and the connection's end."""
import select
import socket
import time

import pytest

from wire import Wire

HOST = b"Host: t\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST
MUCH = 2 << 20  # bytes of a body that nobody wants

# status line -> requests that deserve it
REFUSED = {
    "400 Bad Request": [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /<script>alert(1)</script>\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Secret-Name : value\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ],
    "413 Content Too Large": [
        POST + b"Content-Length: 1001\r\n\r\n",
        POST + b"Content-Length: 9223372036854775807\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        POST + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
    ],
    "414 URI Too Long": [b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
    "417 Expectation Failed": [
        b"GET / HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\n\r\n",
        POST + b"Content-Length: 5\r\nExpect: y 100-continue\r\n\r\nhello",
    ],
    "431 Request Header Fields Too Large": [
        b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 9000 + b"\r\n\r\n",
    ],
    "501 Not Implemented": [
        POST + b"Transfer-Encoding: smoke\r\n\r\n",
        b"A" * 100 + b" / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    ],
    "505 HTTP Version Not Supported": [b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", b"GET / HTTP/9.9\r\n" + HOST + b"\r\n"],
    "408 Request Timeout": [
        b"GET / HTTP/1.1\r\n" + HOST,
        POST + b"Content-Length: 10\r\n\r\nhalf",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
}
ALL = [(status, raw) for status, requests in REFUSED.items() for raw in requests]
NUMBERED = ["%s-%d" % (status[:3], n) for n, (status, _) in enumerate(ALL)]
pytestmark = pytest.mark.gosrv_only("Gunicorn's pages echo the request and have some phrases wrong")


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("echo_request", "--limit-request-body", "1000", log_level="info", ready="/")


@pytest.fixture(scope="module")
def hasty(start_shared):
    return start_shared("echo_request", "--header-timeout", "1", "--body-timeout", "1", log_level="info")


def refused(server, raw):
    with server.held():  # what has come says what is wrong, not how fast it came
        wire = server.wire().send(raw)
    with wire:
        answer = wire.answer()
        assert wire.closed(), "an error is the last thing said"
        return answer


@pytest.mark.parametrize("status, raw", ALL, ids=NUMBERED)
def test_status_line_and_head(server, hasty, status, raw):
    answer = refused(hasty if status[:3] == "408" else server, raw)
    assert answer.status_line == "HTTP/1.1 " + status
    assert answer.all("Connection") == ["close"]
    assert int(answer.get("Content-Length")) == len(answer.body) > 0
    assert answer.get("Content-Type").startswith("text/html")
    assert answer.get("Transfer-Encoding") is None
    assert len(answer.all("Date")) == 1


@pytest.mark.parametrize("status", [status for status in REFUSED if len(REFUSED[status]) > 1 and status[:3] != "408"])
def test_the_page_is_constant(server, status):
    """Nothing of the request, of its fault or of the server's insides shows."""
    pages = {refused(server, raw).body for raw in REFUSED[status]}
    assert len(pages) == 1
    page = pages.pop()
    assert status[4:].encode() in page
    for told in (b"script", b"Secret", b"gosrv", b"Traceback", b".py", b"miracles", b"smoke"):
        assert told not in page


def test_a_server_error_is_as_quiet(start):
    server = start("raising")
    with server.wire() as wire:
        answer = wire.get("/before?secret")
    assert answer.status_line == "HTTP/1.1 500 Internal Server Error"
    assert b"RAISED" not in answer.body and b"secret" not in answer.body


# A body of 2 MB follows each of these heads at once; the answer must come through all the same.
EARLY = {
    "400": POST + b"Content-Length: 2097152\r\nContent-Length: 1\r\n\r\n",
    "400 chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "413": POST + b"Content-Length: 2097152\r\n\r\n",
    "417": POST + b"Content-Length: 2097152\r\nExpect: miracles\r\n\r\n",
    "431": POST + b"X: " + b"y" * 9000 + b"\r\nContent-Length: 2097152\r\n\r\n",
    "501": POST + b"Transfer-Encoding: smoke\r\n\r\n",
}


def send_all_then_read(server, raw):
    """What a simple client does: nothing is read before all is sent."""
    with server.wire() as wire:
        wire.send(raw)
        answer = wire.answer()
        while wire.sock.recv(65536):
            pass
        return answer


@pytest.mark.parametrize("kind", sorted(EARLY))
def test_it_is_delivered_with_2_mb_unread(server, kind):
    """20 tries, and not one reset."""
    for _ in range(20):
        answer = send_all_then_read(server, EARLY[kind] + b"z" * MUCH)
        assert answer.status == int(kind[:3]) and answer.get("Connection") == "close"


def test_peers_that_never_stop_sending_stall_nobody(server):
    """50 clients push on without reading; whoever else comes is answered, and the pushers are cut off in the end."""
    pushers = [Wire(server.address) for _ in range(50)]
    for wire in pushers:
        wire.send(EARLY["413"])
        wire.sock.setblocking(False)
    alive, deadline = set(pushers), time.monotonic() + 60
    answered = 0
    while (alive or answered < 200) and time.monotonic() < deadline:
        push(alive)
        if answered < 200:
            assert server.get("/good").status_code == 200
            answered += 1
    assert not alive, "%d are never cut off" % len(alive)
    assert answered == 200


def push(alive):
    sockets = {wire.sock: wire for wire in alive}
    _, writable, _ = select.select([], list(sockets), [], 0.005)
    for sock in writable:
        try:
            sock.send(b"z" * 65536)
        except BlockingIOError:
            continue
        except OSError:
            alive.discard(sockets[sock])
            sock.close()


def test_peers_that_never_close_are_left_behind(server):
    """After the last answer the server waits for the client's FIN a while, without holding anybody up."""
    held = []
    for _ in range(50):
        wire = Wire(server.address)
        assert wire.get("/", "Connection: close").status == 200
        held.append(wire)
    for _ in range(50):
        assert server.get("/good").status_code == 200
    for wire in held:
        assert wire.sock.recv(1) == b"", "half-closed by the server"
        wire.sock.shutdown(socket.SHUT_RDWR)
        wire.sock.close()
