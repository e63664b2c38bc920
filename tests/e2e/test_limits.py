"""Each limit at its edge: the last size that passes and the first that does not, and what time-outs do."""
import json

import pytest

import harness
from wire import Closed

OURS = pytest.mark.gosrv_only("Gunicorn has no such limit")
STRICT = pytest.mark.gosrv_only("Gunicorn answers 400 to a long request line")


@pytest.fixture(scope="module")
def default(start_shared):
    return start_shared("echo_request")


@pytest.fixture(scope="module")
def small(start_shared):
    return start_shared("echo_request", "--limit-request-line", "100", "--limit-request-fields", "5", "--limit-request-field_size", "50")


@pytest.fixture(scope="module")
def body_limit(start_shared):
    return start_shared("echo_request", "--limit-request-body", "1000")


def status(server, raw):
    with server.wire() as wire:
        wire.send(raw)
        return wire.answer().status


def line(length):
    """A request whose first line has so many bytes without its CRLF."""
    rest = "GET / HTTP/1.1"
    return "GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % ("a" * (length - len(rest)))


def fields(count):
    return "GET / HTTP/1.1\r\nHost: t\r\n" + "X: y\r\n" * (count - 1) + "\r\n"


def field(length):
    """A field line of so many bytes with its CRLF, as Gunicorn counts."""
    return "GET / HTTP/1.1\r\nHost: t\r\nX: %s\r\n\r\n" % ("y" * (length - len("X: \r\n")))


@pytest.mark.matrix
@STRICT
@pytest.mark.parametrize("fits", [4094, 100])
def test_the_request_line(default, small, fits):
    server = small if fits == 100 else default
    assert status(server, line(fits)) == 200
    assert status(server, line(fits + 1)) == 414


@STRICT
def test_a_request_line_that_never_ends_is_refused_early(default):
    with default.wire() as wire:
        wire.send("GET /" + "a" * 20_000)
        assert wire.answer().status == 414


@pytest.mark.parametrize("fits", [100, 5])
def test_the_number_of_fields(default, small, fits):
    server = small if fits == 5 else default
    assert status(server, fields(fits)) == 200
    assert status(server, fields(fits + 1)) == 431


@pytest.mark.parametrize("fits", [8190, 50])
def test_the_size_of_a_field(default, small, fits):
    server = small if fits == 50 else default
    assert status(server, field(fits)) == 200
    assert status(server, field(fits + 1)) == 431


@OURS
def test_a_field_that_never_ends_is_refused_early(default):
    with default.wire() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: t\r\nX: " + "y" * 20_000)
        assert wire.answer().status == 431


@OURS
def test_the_head_as_a_whole(default):
    """100 fields of 8 KB each would be 800 KB of memory for one client."""
    head = "GET / HTTP/1.1\r\nHost: t\r\n" + "".join("X-%d: %s\r\n" % (n, "y" * 8000) for n in range(90)) + "\r\n"
    with default.wire() as wire:
        try:
            wire.send(head)
        except OSError:
            pass
        assert wire.answer().status == 431


@OURS
def test_trailers_are_bounded(default):
    start = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    with default.wire() as wire:
        wire.send(start + "X: y\r\n" * 5000 + "\r\n")
        assert wire.answer().status in (400, 431)
    with default.wire() as wire:
        wire.send(start + "X: y\r\n\r\n")
        answer = wire.answer()
        assert answer.status == 200 and "HTTP_X" not in json.loads(answer.body)["headers"]


@OURS
def test_chunk_extensions_are_bounded(default):
    """Chunk upon chunk of one byte with a long extension is mostly not body."""
    with default.wire() as wire:
        try:
            wire.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            wire.send(("1;x=" + "e" * 4000 + "\r\nx\r\n") * 50)
        except OSError:
            pass
        assert wire.answer().status in (400, 413)


@OURS
class TestTheBody:
    """--limit-request-body counts what the application would get."""

    @pytest.mark.parametrize("size, expected", [(1000, 200), (1001, 413), (0, 200)])
    def test_by_length(self, body_limit, size, expected):
        raw = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        assert status(body_limit, raw) == expected

    @pytest.mark.parametrize("step", [1, 7, 500, 1000])
    @pytest.mark.parametrize("size, expected", [(1000, 200), (1001, 413)])
    def test_chunked(self, body_limit, size, expected, step):
        pieces = b"".join(b"%x\r\n%s\r\n" % (min(step, size - n), b"x" * min(step, size - n)) for n in range(0, size, step))
        assert status(body_limit, b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n") == expected

    def test_it_is_told_before_the_body_comes(self, body_limit):
        with body_limit.wire() as wire:
            wire.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000000\r\n\r\n")
            assert wire.answer().status == 413

    def test_zero_is_no_limit(self, default):
        assert len(default.post("/", data=b"x" * 3_000_000).json()["body"]) == 3_000_000


@pytest.fixture(scope="module")
def hasty(start_shared):
    return start_shared("echo_request", "--header-timeout", "1", "--body-timeout", "1")


@OURS
class TestTimes:
    """Time-outs end in 408 when something of a request has come, and in silence when nothing has."""

    @pytest.mark.plain_only("a handshake needs the workers, which stand still here")
    def test_half_a_head(self, hasty):
        with hasty.held():
            wire = hasty.wire().send("GET / HTTP/1.1\r\nHos")
        with wire:
            assert wire.answer().status_line == "HTTP/1.1 408 Request Timeout"
            assert wire.closed()

    @pytest.mark.plain_only("a handshake needs the workers, which stand still here")
    def test_half_a_body(self, hasty):
        for head in ("Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nhal"):
            with hasty.held():
                wire = hasty.wire().send("POST / HTTP/1.1\r\nHost: t\r\n" + head)
            with wire:
                assert wire.answer().status_line == "HTTP/1.1 408 Request Timeout"
                assert wire.closed()

    def test_nothing_at_all(self, hasty):
        with hasty.wire() as wire:
            assert wire.rest() == b""

    def test_nothing_after_a_request(self, start):
        with start("echo_request", "--keep-alive", "1").wire() as wire:
            assert wire.get("/").status == 200
            assert wire.rest() == b""

    def test_half_of_the_second_request(self, hasty):
        with hasty.wire() as wire:
            assert wire.get("/").status == 200
            wire.send("GET /second HTTP/1.1\r\nHost")
            assert wire.answer().status == 408
        assert "/second" not in hasty.get("/seen").json()


@pytest.mark.parametrize("flag, raw", [
    ("--strip-header-spaces", "GET / HTTP/1.1\r\nHost: t\r\nX-Space : 1\r\n\r\n"),
    ("--permit-obsolete-folding", "GET / HTTP/1.1\r\nHost: t\r\nX-Fold: a\r\n b\r\n\r\n"),
    ("--permit-unconventional-http-method", "gET / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("--permit-unconventional-http-version", "GET / HTTP/2.3\r\nHost: t\r\n\r\n"),
    ("--casefold-http-method --permit-unconventional-http-method", "get / HTTP/1.1\r\nHost: t\r\n\r\n"),
    ("--permit-missing-host", "GET / HTTP/1.1\r\n\r\n"),
])
def test_switches(start, default, flag, raw):
    """Each refuses without, and accepts with, the switch."""
    if harness.kind() == "gunicorn" and "host" in flag:
        return
    assert status(default, raw) >= 400
    server = start("echo_request", *flag.split())
    with server.wire() as wire:
        wire.send(raw)
        try:
            answer = wire.answer()
        except Closed:
            raise AssertionError(server.log) from None
    assert answer.status == 200
    got = json.loads(answer.body)
    if "fold" in flag and "method" not in flag:
        assert got["headers"]["HTTP_X_FOLD"] == "a b"
    if "spaces" in flag:
        assert got["headers"]["HTTP_X_SPACE"] == "1"
    assert got["method"] == ("gET" if flag == "--permit-unconventional-http-method" else "GET")
