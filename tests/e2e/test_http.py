"""HTTP/1.0 and 1.1 on the wire: connections, framing of requests and of answers, and what may not be in them."""
import email.utils
import hashlib
import json
import re
import shutil
import subprocess
import time

import pytest

import harness
from wire import Closed, Wire, once

KEEPS = pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")


@pytest.fixture(scope="module")
def hello(start_shared):
    return start_shared("hello:app")


@pytest.fixture(scope="module")
def statuses(start_shared):
    return start_shared("statuses")


@pytest.fixture(scope="module")
def bodies(start_shared):
    return start_shared("read_body")


@pytest.mark.matrix
@KEEPS
def test_a_connection_is_kept_alive(hello):
    with hello.wire() as wire:
        for _ in range(20):
            answer = wire.get("/")
            assert (answer.status, answer.body) == (200, b"hello two")
            assert (answer.get("Connection") or "keep-alive").lower() == "keep-alive"


def test_connection_close_is_obeyed(hello):
    for words in ("close", "Close", "close, TE", "TE, close"):
        if harness.kind() == "gunicorn" and "TE" in words:
            continue  # Gunicorn compares the whole value
        with hello.wire() as wire:
            answer = wire.get("/", "Connection: " + words)
            assert answer.get("Connection") == "close"
            assert wire.closed()


def test_http_10_closes_unless_asked(hello):
    with hello.wire() as wire:
        answer = wire.get("/", version="HTTP/1.0")
        assert answer.status == 200 and answer.body == b"hello two"
        assert wire.closed()


@KEEPS
def test_http_10_is_kept_alive_when_asked(hello):
    with hello.wire() as wire:
        for _ in range(3):
            answer = wire.get("/", "Connection: keep-alive", version="HTTP/1.0")
            assert answer.status == 200
            assert answer.get("Connection").lower() == "keep-alive"


@pytest.mark.matrix
@KEEPS
def test_pipelined_requests_are_answered_in_order(bodies):
    with bodies.wire() as wire:
        parts = []
        for n in range(30):
            body = b"x" * n
            parts.append(b"POST /read HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%s" % (n, body))
        wire.send(b"".join(parts))
        assert [json.loads(wire.answer().body)["length"] for _ in range(30)] == list(range(30))


@KEEPS
def test_pipelined_requests_before_the_close_are_all_answered(hello):
    request = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    got = once(hello.address, request * 4 + last + request)
    assert got.count(b"hello two") == 5


def test_a_request_in_small_pieces(hello):
    with hello.wire() as wire:
        for byte in b"GET / HTTP/1.1\r\nHost: test\r\nX-Some: thing\r\n\r\n":
            wire.send(bytes([byte]))
        assert wire.answer().body == b"hello two"


@KEEPS
def test_an_unread_request_body_is_not_the_next_request(bodies):
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
    with bodies.wire() as wire:
        first = wire.get("/none", method="POST", body=smuggled)
        second = wire.get("/read", method="POST", body=b"12345")
    assert json.loads(first.body)["length"] == 0
    assert json.loads(second.body)["length"] == 5


@pytest.mark.matrix
@pytest.mark.parametrize("way", ["/read", "/read?size=7", "/read?size=100000", "/readline", "/readline?size=3", "/readlines", "/iter"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_in_every_way(bodies, way, framing):
    body = b"".join(b"line %d of the body\n" % n for n in range(500)) + b"no newline at the end"
    sent = (body[n:n + 999] for n in range(0, len(body), 999)) if framing == "chunked" else body
    answer = bodies.post(way, data=sent).json()
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()
    assert answer["types"] == ["bytes"]
    if way == "/readline" or way == "/iter" or way == "/readlines":
        assert answer["pieces"][0] == len(b"line 0 of the body\n")
    if framing == "chunked":
        assert answer["content_length"] is None


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 65536, 1 << 20, 12 << 20])
def test_body_sizes(bodies, size):
    body = hashlib.sha256(b"seed").digest() * (size // 32 + 1)
    answer = bodies.post("/read", data=body[:size]).json()
    assert answer["length"] == size
    assert answer["sha256"] == hashlib.sha256(body[:size]).hexdigest()


def test_reading_past_the_end_gives_nothing(bodies):
    answer = bodies.post("/twice", data=b"abc").json()
    assert answer["pieces"] == [3, 0, 0, 0]


def test_a_chunked_request_with_extensions_and_trailers(bodies):
    with bodies.wire() as wire:
        wire.send("POST /read HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.send('5;name="a value"\r\nhello\r\n')
        wire.send("006\r\n there\r\n0\r\nX-Trailer: yes\r\n\r\n")
        assert json.loads(wire.answer().body)["length"] == 11


def test_expect_100_continue(bodies):
    with bodies.wire() as wire:
        wire.send("POST /read HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert wire.answer().status_line == "HTTP/1.1 100 Continue"
        wire.send("body")
        assert json.loads(wire.answer().body)["length"] == 4


def test_an_answer_of_unknown_length_is_chunked(start_shared):
    server = start_shared("iterables")
    with server.wire() as wire:
        answer = wire.get("/generator?n=5&size=4")
    assert answer.get("Transfer-Encoding") == "chunked"
    assert answer.get("Content-Length") is None
    assert answer.body == b"00000001000200030004"
    with server.wire() as wire:
        answer = wire.get("/generator?n=5&size=4", version="HTTP/1.0")
        assert answer.get("Transfer-Encoding") is None
        assert answer.body == b"00000001000200030004"


@pytest.mark.matrix
@pytest.mark.parametrize("code", ["200", "204", "304", "404"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bodies_where_http_allows_them(statuses, code, method):
    with statuses.wire() as wire:
        wire.send("%s /%s?length HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % (method, code))
        status_line, headers = wire.head()
        body = wire.rest()
    names = [name.lower() for name, _ in headers]
    assert status_line.startswith("HTTP/1.1 " + code)
    if method == "HEAD" or code in ("204", "304"):
        assert body == b""
    else:
        assert body == b"nine chrs"
    assert "transfer-encoding" not in names
    if code == "204":
        assert "content-length" not in names
    elif method == "HEAD":
        assert dict((name.lower(), value) for name, value in headers)["content-length"] == "9"


@KEEPS
def test_the_connection_survives_answers_without_body(statuses):
    with statuses.wire() as wire:
        for method, path in (("HEAD", "/200"), ("GET", "/204"), ("HEAD", "/204"), ("GET", "/304"), ("HEAD", "/200?length")):
            assert wire.get(path, method=method).body == b""
        assert wire.get("/200").body == b"nine chrs"


def test_headers_go_out_as_given(statuses):
    with statuses.wire() as wire:
        answer = wire.get("/200?length")
    assert answer.all("X-Twice") == ["one", "two"]
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.get("X-Latin") == "\xe9"
    own = [(name, value) for name, value in answer.headers if name.startswith("X-") or name == "Set-Cookie"]
    assert own[0] == ("X-Twice", "one") and own[-1][0] == "X-Latin"


def test_a_status_without_a_reason(statuses):
    with statuses.wire() as wire:
        assert wire.get("/299").status_line.rstrip() == "HTTP/1.1 299"


def test_the_date_is_now_and_in_the_right_form(hello):
    before = int(time.time()) - 2
    with hello.wire() as wire:
        date = wire.get("/").all("Date")
    assert len(date) == 1
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date[0])
    assert before <= email.utils.parsedate_to_datetime(date[0]).timestamp() <= time.time() + 2


def test_the_server_header_is_there_once(hello):
    with hello.wire() as wire:
        assert wire.get("/").all("Server") == [harness.kind()]


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET / HTTP/1.1\r\nHost: t\r\nBad Header: 1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: t\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: smoke\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: t\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X: y\r\n" * 150 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"y" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_wrong_requests_are_refused_and_the_connection_closed(hello, request_bytes, status):
    follower = b"GET /follower HTTP/1.1\r\nHost: t\r\n\r\n"
    got = once(hello.address, request_bytes + follower)
    assert got.startswith(b"HTTP/1.1 ")
    code = int(got.split(b" ", 2)[1])
    assert 400 <= code < 600 and (status is None or code == status)
    assert b"hello two" not in got
    assert got.count(b"HTTP/1.1 ") == 1


def test_a_connection_that_says_nothing_gets_nothing(hello):
    assert once(hello.address, b"") == b""


def test_a_client_that_leaves_early_does_no_harm(start):
    server = start("iterables")
    for _ in range(5):
        wire = server.wire()
        wire.send("GET /generator?n=20000&size=1000 HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.more()
        wire.sock.close()
    for _ in range(3):
        with server.wire() as wire:
            wire.send("POST /list HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\nhalf")
    assert server.get("/list").text == "one"
    assert "Traceback" not in server.log


def test_a_large_answer_arrives_whole(start_shared):
    server = start_shared("iterables")
    got = server.get("/generator?n=2000&size=10000").content
    assert len(got) == 20_000_000
    assert got[-4:] == b"1999"


def test_a_large_answer_to_a_slow_reader(start_shared):
    server = start_shared("iterables")
    with server.wire() as wire:
        wire.sock.settimeout(30)
        wire.send("GET /generator?n=1000&size=10000 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        size = 0
        while True:
            data = wire.sock.recv(4096)
            if not data:
                break
            size += len(data)
    assert size > 10_000_000


@pytest.mark.gosrv_only("a slow client holds Gunicorn's sync worker")
def test_slow_clients_do_not_hold_the_worker(hello):
    slow = [Wire(hello.address) for _ in range(50)]
    for n, wire in enumerate(slow):
        wire.send("GET / HTTP/1.1\r\nHost:" if n % 2 else "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf")
    assert hello.get().text == "hello two"
    for wire in slow:
        wire.sock.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
class TestCurl:
    """A client nobody here wrote."""

    def curl(self, *args):
        return subprocess.run(["curl", "-sS", "--max-time", "20", *args], capture_output=True, check=True).stdout

    def test_get(self, hello):
        assert self.curl(hello.url) == b"hello two"

    def test_head(self, hello):
        assert b"Content-Length: 9" in self.curl("-I", hello.url)

    def test_upload_chunked_with_expect(self, bodies, tmp_path):
        path = tmp_path / "upload"
        path.write_bytes(b"0123456789" * 200_000)
        chunked = self.curl("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-T", str(path), bodies.url + "/read?size=65536")
        plain = self.curl("--data-binary", "@%s" % path, bodies.url + "/read")
        assert json.loads(chunked)["length"] == json.loads(plain)["length"] == 2_000_000

    @KEEPS
    def test_reuses_the_connection(self, hello):
        made = self.curl("-w", "%{num_connects} ", "-o", "/dev/null", hello.url, "-o", "/dev/null", hello.url, "-o", "/dev/null", hello.url)
        assert made == b"1 0 0 "


def test_truncated_chunked_request_gets_no_200(bodies):
    got = once(bodies.address, b"POST /read HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    assert not got.startswith(b"HTTP/1.1 200")


def test_keep_alive_zero_closes(start):
    server = start("hello", "--keep-alive", "0")
    with server.wire() as wire:
        assert wire.get("/").status == 200
        assert wire.closed()


@KEEPS
def test_an_idle_connection_is_closed_after_keep_alive(start):
    server = start("hello", "--keep-alive", "1")
    with server.wire() as wire:
        wire.get("/")
        assert wire.closed()


@KEEPS
def test_a_closed_connection_is_seen_by_the_next_request(hello):
    with hello.wire() as wire:
        wire.get("/", "Connection: close")
        with pytest.raises((Closed, OSError)):
            wire.get("/")
