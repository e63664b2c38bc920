"""PEP 3333: iterables, write(), file_wrapper, close(), exceptions, and applications that break the rules."""
import hashlib

import pytest

import harness
from wire import Closed, once

ERROR_PAGE = b"Internal Server Error"


@pytest.fixture(scope="module")
def iterables(start_shared):
    return start_shared("iterables")


@pytest.fixture(scope="module")
def raising(start_shared):
    return start_shared("raising")


@pytest.fixture(scope="module")
def wrong(start_shared):
    return start_shared("wrong_answers")


@pytest.fixture(scope="module")
def written(start_shared):
    return start_shared("write_callable")


@pytest.fixture(scope="module")
def big_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "big"
    path.write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(100_000)))
    return path


@pytest.fixture(scope="module")
def files(start_shared, big_file):
    return start_shared("file_wrapper", env={"FILE": big_file})


@pytest.mark.matrix
@pytest.mark.parametrize(
    "kind, body",
    [
        ("list", b"one"),
        ("tuple", b"one two"),
        ("empty", b""),
        ("empty_strings", b"ab"),
        ("generator?n=3&size=2", b"000102"),
        ("counting?n=2&size=3", b"000001"),
        ("counting_length", b"one"),
        ("old_sequence", b"by index"),
    ],
)
def test_iterables(iterables, kind, body):
    with iterables.wire() as wire:
        answer = wire.get("/" + kind)
    assert answer.status == 200 and answer.body == body


def closes(server):
    return server.get("/closed").json()["count"]


@pytest.mark.matrix
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/counting", "/counting_length", "/counting?length=5"])
def test_close_is_called_once(iterables, path, method):
    before = closes(iterables)
    with iterables.wire() as wire:
        wire.get(path, "Connection: close", method=method)
    harness.wait_for(lambda: closes(iterables) > before, "close()")
    assert closes(iterables) == before + 1


def test_close_is_called_once_after_an_exception(iterables):
    before = closes(iterables)
    once(iterables.address, b"GET /counting_failing HTTP/1.1\r\nHost: t\r\n\r\n")
    harness.wait_for(lambda: closes(iterables) > before, "close()")
    assert closes(iterables) == before + 1


def test_close_is_called_once_when_the_client_leaves(iterables):
    before = closes(iterables)
    wire = iterables.wire()
    wire.send("GET /counting?n=100000&size=1000 HTTP/1.1\r\nHost: t\r\n\r\n")
    wire.more()
    wire.sock.close()
    harness.wait_for(lambda: closes(iterables) > before, "close()")
    assert closes(iterables) == before + 1


@pytest.mark.matrix
def test_write_then_iterable(written):
    with written.wire() as wire:
        assert wire.get("/").body == b"written then"
    with written.wire() as wire:
        answer = wire.get("/length")
        assert answer.body == b"written then" and answer.get("Content-Length") == "12"


def test_write_of_much(written):
    assert len(written.get("/big").content) == 12 + 64 * 65536


@pytest.mark.matrix
def test_file_wrapper_sends_the_file(files, big_file):
    content = big_file.read_bytes()
    assert files.get("/file").content == content
    assert files.get("/file?offset=1000").content == content[1000:]
    assert files.get("/file?offset=1000&length=5000").content == content[1000:6000]
    assert files.get("/closed").text == "True"


@pytest.mark.parametrize("path, text", [
    ("/memory", (bytes(range(256)) * 100).decode("latin-1")),
    pytest.param("/pipe", "through a pipe", marks=pytest.mark.not_green("the pipe is read without giving way, in Gunicorn too")),
])
def test_file_wrapper_over_other_things(files, path, text):
    assert files.get(path).content == text.encode("latin-1")
    assert files.get("/closed").text == "True"


def test_file_wrapper_with_head(files):
    with files.wire() as wire:
        answer = wire.get("/file?length=100", "Connection: close", method="HEAD")
        assert answer.get("Content-Length") == "100"
        assert wire.rest() == b""


@pytest.mark.matrix
@pytest.mark.parametrize("place", ["before", "first", "base"])
def test_an_exception_is_a_500_and_a_traceback(raising, place):
    if place == "base" and harness.kind() == "gunicorn":
        pytest.skip("a BaseException ends Gunicorn's worker")
    with raising.wire() as wire:
        answer = wire.get("/%s?secret=1" % place, "Connection: close")
    assert answer.status_line == "HTTP/1.1 500 Internal Server Error"
    assert ERROR_PAGE in answer.body and b"RAISED" not in answer.body
    raising.wait_log("Error handling request GET /%s" % place)
    raising.wait_log("RAISED-" + place)
    assert "Traceback (most recent call last):" in raising.log
    assert "raising.py" in raising.log
    assert raising.get("/").text == "nothing raised"


def test_an_exception_after_start_response_and_before_the_body(raising):
    with raising.wire() as wire:
        assert wire.get("/after").status == 500
    raising.wait_log("RAISED-after")


def test_an_exception_in_the_middle_cuts_the_answer(raising):
    got = once(raising.address, b"GET /later HTTP/1.1\r\nHost: t\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert b"piece one " in got
    assert not got.endswith(b"0\r\n\r\n"), "a cut answer must not look complete"
    assert ERROR_PAGE not in got
    raising.wait_log("RAISED-later")


def test_an_exception_in_close_is_logged(raising):
    with raising.wire() as wire:
        assert wire.get("/close").body == b"whole body"
    raising.wait_log("RAISED-close")
    assert raising.get("/").text == "nothing raised"


@pytest.mark.gosrv_only("Gunicorn appends the new headers to the old")
def test_exc_info_replaces_the_head(raising):
    with raising.wire() as wire:
        answer = wire.get("/exc_info")
    assert answer.status_line == "HTTP/1.1 503 Replaced"
    assert answer.get("X-First") is None and answer.get("X-Second") == "2"
    assert answer.body == b"replaced"


@pytest.mark.gosrv_only("sys.exit in a request ends Gunicorn's worker")
def test_sys_exit_in_a_request_is_a_500(raising):
    pids = raising.worker_pids()
    with raising.wire() as wire:
        assert wire.get("/exit").status == 500
    assert raising.worker_pids() == pids


@pytest.mark.parametrize(
    "name",
    [
        "no_start_response", "returns_none", "status_without_number", "status_not_str", "status_with_newline",
        "header_with_newline", "header_name_with_space", "header_not_latin1", "header_value_int", "header_bytes",
        "headers_not_list", "start_twice", "str_item", "str_body", "int_item",
    ],
)
@pytest.mark.gosrv_only("Gunicorn answers some of these with 200 or with nothing")
def test_an_application_that_breaks_the_rules_gets_a_500(wrong, name):
    before = len(wrong.log)
    with wrong.wire() as wire:
        answer = wire.get("/" + name)
    assert answer.status_line == "HTTP/1.1 500 Internal Server Error"
    assert answer.get("X-Evil") is None and ERROR_PAGE in answer.body
    harness.wait_for(lambda: "ERROR" in wrong.log[before:], "a line in the error log")
    assert wrong.get("/").text == "ready"


def test_a_body_longer_than_its_length_is_cut(wrong):
    with wrong.wire() as wire:
        answer = wire.get("/too_long", "Connection: close")
        assert answer.body == b"four"
        assert wire.rest() == b""


def test_a_body_shorter_than_its_length_closes_the_connection(wrong):
    with wrong.wire() as wire, pytest.raises(Closed) as cut:
        wire.get("/too_short")
    assert cut.value.got == b"four"


def test_hop_by_hop_headers_of_the_application_are_dropped(wrong):
    with wrong.wire() as wire:
        answer = wire.get("/hop_by_hop", "Connection: close")
    assert answer.body == b"body"
    assert answer.all("Connection") == ["close"]
    assert answer.get("Transfer-Encoding") is None
    assert "timeout=99" not in (answer.get("Keep-Alive") or "")
    assert answer.get("X-Kept") == "yes"
    assert answer.all("Server") == [harness.kind()]


@pytest.mark.gosrv_only("looks at a log line of gosrv's own")
def test_the_application_lives_on_after_all_of_that(wrong, raising):
    for server in (wrong, raising):
        assert len(harness.BOOTING.findall(server.log)) == 1
