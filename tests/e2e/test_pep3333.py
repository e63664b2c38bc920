"""PEP 3333 as its own validator sees it, and what it says of start_response, write(), headers and strings."""
import json
import subprocess
from urllib.parse import quote

import pytest

import harness
from wire import Closed, once

STRICT = pytest.mark.gosrv_only("Gunicorn differs here")
# Requests to applications under the validator: method, /module/attribute/path, body.
VALID = [
    ("GET", "/hello/application/", b""),
    ("HEAD", "/hello/application/", b""),
    ("GET", "/echo_environ/application/some/path?a=b", b""),
    ("GET", "/echo_request/application/", b""),
    ("POST", "/read_body/application/read?size=7", b"0123456789" * 10),
    ("POST", "/read_body/application/read?size=100", b""),
    ("POST", "/read_body/application/readline", b"one\ntwo\nthree"),
    ("POST", "/read_body/application/iter", b"one\ntwo\n"),
    ("POST", "/read_body/application/none", b"left alone"),
    ("GET", "/iterables/application/list", b""),
    ("GET", "/iterables/application/tuple", b""),
    ("GET", "/iterables/application/empty", b""),
    ("GET", "/iterables/application/empty_strings", b""),
    ("GET", "/iterables/application/generator", b""),
    ("HEAD", "/iterables/application/generator", b""),
    ("GET", "/iterables/application/counting", b""),
    ("GET", "/iterables/application/counting_length", b""),
    ("GET", "/iterables/application/old_sequence", b""),
    ("GET", "/file_wrapper/application/memory", b""),
    ("GET", "/closing/application/late", b""),
    ("GET", "/start_responses/application/replaced", b""),
    ("GET", "/start_responses/application/none_exc_info", b""),
    ("GET", "/start_responses/application/only_write", b""),
    ("GET", "/start_responses/application/write_and_iterate", b""),
    ("GET", "/thread_local/with_type/", b""),
    ("GET", "/flaskapp/app/", b""),
    ("DELETE", "/echo_environ/application/", b""),
    ("PROPFIND", "/echo_environ/application/", b""),
]


@pytest.fixture(scope="module", params=[(), ("--threads", "2")], ids=["sync", "threads"])
def validated(start_shared, request):
    return start_shared("validated", *request.param)


@pytest.fixture(scope="module")
def starts(start_shared):
    return start_shared("start_responses")


@pytest.fixture(scope="module")
def echo(start_shared):
    return start_shared("echo_environ")


@pytest.fixture(scope="module")
def mirror(start_shared):
    return start_shared("mirror")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method, path, body", VALID, ids=["%s %s" % (one[0], one[1]) for one in VALID])
def test_the_validator_has_no_objection(validated, method, path, body, framing):
    if framing == "chunked" and not body or "/replaced" in path and harness.kind() == "gunicorn":
        return
    before = len(validated.log)
    with validated.wire() as wire:
        if framing == "chunked":
            wire.send("%s %s HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" % (method, path))
            wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            answer = wire.answer(method)
        else:
            answer = wire.get(path, method=method, body=body)
    said = validated.log[before:]
    assert "AssertionError" not in said and "garbage collected" not in said, said
    assert answer.status == (503 if "/replaced" in path else 200), said


class TestStartResponse:
    """The callable, and the write() it returns."""

    @pytest.mark.parametrize(
        "case, status, body",
        [
            ("none_exc_info", 200, b"fine"),
            ("in_generator", 201, b"late"),
            ("only_write", 200, b"one two"),
            ("write_and_iterate", 200, b"written, it"),
            ("subclass", 200, b"fine"),
        ],
    )
    def test_what_is_allowed(self, starts, case, status, body):
        with starts.wire() as wire:
            answer = wire.get("/" + case)
        assert (answer.status, answer.body) == (status, body)

    @STRICT
    def test_exc_info_before_the_head_replaces_it(self, starts):
        with starts.wire() as wire:
            answer = wire.get("/replaced")
        assert answer.status_line == "HTTP/1.1 503 Sorry" and answer.body == b"sorry"
        assert answer.get("X-First") is None and answer.get("X-Second") == "2"
        assert answer.get("Content-Length") in (None, "5")

    @pytest.mark.parametrize("case, message", [("reraised", "RAISED after the head"), ("reraised_by_write", "RAISED after write")])
    def test_exc_info_after_the_head_is_raised_again(self, starts, case, message):
        with starts.wire() as wire, pytest.raises((Closed, ConnectionResetError)):
            wire.get("/" + case)
        starts.wait_log("ValueError: " + message)
        got = once(starts.address, b"GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % case.encode())
        assert b"never" not in got and b"503" not in got and not got.endswith(b"0\r\n\r\n")

    @STRICT
    def test_the_list_of_headers_is_taken_when_given(self, starts):
        with starts.wire() as wire:
            answer = wire.get("/late_change")
        assert answer.get("X-Kept") == "yes" and answer.get("X-Late") is None

    def test_write_wants_bytes(self, starts):
        with starts.wire() as wire:
            assert wire.get("/write_text").body == b"TypeError"

    def test_it_wants_two_arguments(self, starts):
        assert starts.get("/too_few").text == "TypeError"

    def test_keyword_arguments_do_no_harm(self, starts):
        assert starts.get("/keywords").status_code in (200, 500)
        assert starts.get("/").text == "ready"

    @STRICT
    def test_it_is_dead_after_its_request(self, starts):
        with starts.wire() as wire:
            assert wire.get("/keeps").body == b"kept"
            answer = wire.get("/uses_kept")
        assert answer.get("X-Stolen") is None
        assert b"no error" not in answer.body and b"stolen" not in answer.body


class TestStrings:
    """Native strings that hold latin-1, both ways."""

    def test_every_byte_of_a_path(self, echo):
        path = "/" + "".join("%%%02X" % n for n in range(256))
        with echo.wire() as wire:
            got = json.loads(wire.get(path).body)
        assert got["PATH_INFO"]["value"] == "/" + "".join(map(chr, range(256)))
        assert got["RAW_URI"]["value"] == path

    @pytest.mark.parametrize("text", ["caf\xe9", "\u65e5\u672c", "\U0001f600"])
    def test_a_path_in_utf_8(self, echo, text):
        got = echo.get("/" + quote(text)).json()["PATH_INFO"]["value"]
        assert got.encode("latin-1").decode("utf-8") == "/" + text

    def test_every_byte_of_a_header(self, mirror):
        """There and back: what may stand in a field value arrives, and leaves, unchanged."""
        value = "a" + "".join(chr(n) for n in [9, *range(0x20, 0x7F), *range(0x80, 0x100)]) + "z"
        with mirror.wire() as wire:
            answer = wire.get("/", "X-Mirror: " + value)
        assert json.loads(answer.body) == value
        assert answer.get("X-Mirror") == value

    def test_a_reason_in_latin_1(self, mirror):
        with mirror.wire() as wire:
            assert wire.get("/reason").status_line == "HTTP/1.1 299 Pas si s\xfbr, \xa7 1"

    @pytest.mark.parametrize(
        "headers, key, value",
        [
            (["X-Many: a", "X-Many: b", "x-many: c"], "HTTP_X_MANY", "a,b,c"),
            (["Accept: a", "X-Other: 1", "Accept: b"], "HTTP_ACCEPT", "a,b"),
            (["X-Empty:", "X-Empty: b"], "HTTP_X_EMPTY", ",b"),
            (["X-Tabs: \t a\tb \t"], "HTTP_X_TABS", "a\tb"),
        ],
    )
    def test_repeated_headers(self, echo, headers, key, value):
        with echo.wire() as wire:
            assert json.loads(wire.get("/", *headers).body)[key]["value"] == value

    @STRICT
    def test_repeated_cookies(self, echo):
        with echo.wire() as wire:
            got = json.loads(wire.get("/", "Cookie: a=1", "Cookie: b=2; c=3", "cookie: d=4").body)
        assert got["HTTP_COOKIE"]["value"] == "a=1; b=2; c=3; d=4"


@pytest.mark.parametrize("args, thread, process", [((), False, False), (("--threads", "2"), True, False), (("-w", "2"), False, True)])
def test_multithread_and_multiprocess(start, args, thread, process):
    got = start("echo_environ", *args).get().json()
    assert got["wsgi.multithread"]["value"] is (thread or bool(harness.worker_class()))
    assert got["wsgi.multiprocess"]["value"] is process
    assert got["wsgi.run_once"]["value"] is False


def test_error_stream(start):
    """wsgi.errors takes text and lines, and they are in the error log."""
    server = start("error_stream")
    assert server.get("/").text == "written"
    for line in ("one line", "written by writelines", "printed", "caf\xe9"):
        server.wait_log(line)
    assert harness.BOOTING.findall(server.log)


@pytest.mark.parametrize("coding", [None, "latin-1", "ascii:strict", "cp1252:replace", "utf-8"])
def test_error_stream_is_encoded_as_stderr(start, coding):
    """PYTHONIOENCODING holds for it, with the error handler that Python gives stderr."""
    env = {"PYTHONIOENCODING": coding}
    plain = subprocess.run([harness.python(), "-c", "import sys; sys.stderr.write('caf\\xe9 \\u20ac\\n')"], env=harness.environment(**env),
                           stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    server = start("error_stream", env=env)
    assert server.get("/").text == "written"
    harness.wait_for(lambda: b"\n" + plain.stderr in server.err_path.read_bytes(), lambda: "%r in %r" % (plain.stderr, server.err_path.read_bytes()))


def test_blanks_around_a_header_value_are_none_of_it(start):
    server = start("padded_headers", "--access-logfile", "-", "--access-logformat", "<%({x-padded}o)s>")
    with server.wire() as wire:
        answer = wire.get("/")
        assert answer.status == 200 and answer.body == b"ok" and answer.all("Content-Length") == ["2"]
        assert answer.get("Content-Type") == "text/plain" and answer.get("X-Padded") == "a  b" and answer.get("X-Blank") == ""
    harness.wait_for(lambda: "<a  b>" in server.out, lambda: "the access log, now %r" % server.out)
    with server.wire() as wire:
        assert wire.get("/evil").status == 500


@pytest.mark.gosrv_only("Gunicorn writes 103 in another way")
def test_blanks_around_an_early_hint(start):
    with start("padded_headers").wire() as wire:
        wire.send("GET /hints HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.answer().get("Link") == "</a.css>; rel=preload"
        assert wire.answer().body == b"ok"
