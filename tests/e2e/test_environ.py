"""What an application finds in environ: every key Gunicorn gives, in the same types, with the same values."""
import json
import socket

import pytest

import harness
from wire import Wire

# What two servers cannot agree on: their own name, the client's port, and the class of an object.
OWN = {"SERVER_SOFTWARE", "REMOTE_PORT", "SERVER_PORT", "HTTP_HOST"}

REQUESTS = {
    "plain": ("GET", "/", [], b""),
    "query": ("GET", "/path/to?a=1&b=%20x", [], b""),
    "encoded": ("GET", "/caf%C3%A9/%2Fslash/%00?q=%C3%A9", [], b""),
    "double_slash": ("GET", "//double//slash", [], b""),
    "absolute": ("GET", "http://other.example:81/absolute?x=y", [], b""),
    "asterisk": ("OPTIONS", "*", [], b""),
    "form": ("POST", "/form", ["Content-Type: application/x-www-form-urlencoded"], b"a=1&b=2"),
    "content_type_empty": ("POST", "/", ["Content-Type:"], b"x"),
    "headers": ("GET", "/", ["X-One: 1", "x-two:2", "X-Three:   spaced \t", "Accept: */*", "User-Agent: test"], b""),
    "repeated": ("GET", "/", ["X-Many: a", "X-Many: b", "X-Many: c"], b""),
    "underscore": ("GET", "/", ["X_Under: dropped", "X-Under: kept"], b""),
    "latin": ("GET", "/", ["X-Latin: \xe9\xff"], b""),
    "scheme": ("GET", "/", ["X-Forwarded-Proto: https"], b""),
    "scheme_http": ("GET", "/", ["X-Forwarded-Proto: http"], b""),
    "script_name": ("GET", "/app/inside", ["SCRIPT_NAME: /app"], b""),
    "hop_by_hop": ("GET", "/", ["Connection: close", "TE: trailers", "Upgrade: websocket"], b""),
    "unusual_method": ("PROPFIND", "/dav", [], b""),
}


def ask(server, name):
    method, path, headers, body = REQUESTS[name]
    with server.wire() as wire:
        return wire.get(path, *headers, method=method, body=body)


def facts(server, name):
    answer = ask(server, name)
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def echo(start_shared):
    return start_shared("echo_environ")


@pytest.fixture(scope="module")
def gunicorn(start_shared):
    return start_shared("echo_environ", server="gunicorn")


@pytest.fixture(scope="module")
def threaded(start_shared):
    return start_shared("echo_environ", "--threads", "2")


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_environ_equals_gunicorns(echo, gunicorn, name):
    ours, theirs = facts(echo, name), facts(gunicorn, name)
    assert set(ours) == set(theirs)
    for key in sorted(theirs):
        if key in OWN:
            assert ours[key]["type"] == theirs[key]["type"], key
        elif key.startswith("wsgi.") or key.startswith("gunicorn."):
            compare_object(key, ours[key], theirs[key])
        else:
            assert ours[key] == theirs[key], key


def compare_object(key, ours, theirs):
    """Streams and callables need not be of the same class, but must do what Gunicorn's do."""
    if "value" in theirs:
        assert ours == theirs, key
    else:
        assert ours["callable"] == theirs["callable"], key
        assert set(theirs["methods"]) <= set(ours["methods"]) | {"close", "fileno"}, key


@pytest.mark.gosrv_only("Gunicorn joins cookies with a comma")
def test_repeated_cookies_are_joined_as_browsers_do(echo):
    with echo.wire() as wire:
        got = json.loads(wire.get("/", "Cookie: a=1", "Cookie: b=2").body)
    assert got["HTTP_COOKIE"]["value"] == "a=1; b=2"


@pytest.mark.matrix
def test_the_required_keys_and_types(echo):
    got = facts(echo, "form")
    assert got["."] == {"type": "dict", "keys": len(got) - 1}
    values = {key: fact.get("value") for key, fact in got.items()}
    assert values["REQUEST_METHOD"] == "POST"
    assert values["SCRIPT_NAME"] == "" and values["PATH_INFO"] == "/form" and values["QUERY_STRING"] == ""
    assert values["RAW_URI"] == "/form"
    assert values["CONTENT_TYPE"] == "application/x-www-form-urlencoded" and values["CONTENT_LENGTH"] == "7"
    assert values["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert values["SERVER_NAME"] == "127.0.0.1" and values["SERVER_PORT"] == str(echo.port)
    assert values["REMOTE_ADDR"] == "127.0.0.1" and values["REMOTE_PORT"].isdigit()
    assert values["wsgi.version"] == [1, 0] and got["wsgi.version"]["type"] == "tuple"
    assert values["wsgi.url_scheme"] == "http"
    assert values["wsgi.run_once"] is False and values["wsgi.input_terminated"] is True
    assert values["wsgi.multithread"] is bool(harness.worker_class()) and values["wsgi.multiprocess"] is False
    assert values["SERVER_SOFTWARE"].startswith(harness.kind() + "/")
    for key in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "wsgi.early_hints", "gunicorn.socket"):
        assert key in got
    assert got["wsgi.file_wrapper"]["callable"] and got["wsgi.early_hints"]["callable"]
    assert {"read", "readline", "readlines", "__iter__"} <= set(got["wsgi.input"]["methods"])
    assert {"write", "flush"} <= set(got["wsgi.errors"]["methods"])


@pytest.mark.not_green("it is about threads")
def test_multithread_and_multiprocess_are_true_to_the_settings(threaded, start):
    got = facts(threaded, "plain")
    assert got["wsgi.multithread"]["value"] is True
    got = facts(start("echo_environ", "-w", "2"), "plain")
    assert got["wsgi.multiprocess"]["value"] is True


def test_path_info_is_decoded_as_latin_1(echo):
    got = facts(echo, "encoded")
    assert got["PATH_INFO"]["value"] == "/caf\xc3\xa9//slash/\x00"
    assert got["RAW_URI"]["value"] == "/caf%C3%A9/%2Fslash/%00?q=%C3%A9"
    assert got["QUERY_STRING"]["value"] == "q=%C3%A9"


def test_a_unix_socket(start):
    server = start("echo_environ", bind="unix:DIR/app.sock")
    with server.wire() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: ex.org:8443\r\n\r\n")
        got = json.loads(wire.answer().body)
    assert got["SERVER_NAME"]["value"] == "ex.org" and got["SERVER_PORT"]["value"] == "8443"
    assert got["REMOTE_ADDR"]["value"] == "" and "REMOTE_PORT" not in got
    with server.wire() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: ex.org\r\nX-Forwarded-Proto: https\r\n\r\n")
        got = json.loads(wire.answer().body)
    assert got["SERVER_PORT"]["value"] == "443" and got["wsgi.url_scheme"]["value"] == "https"


def test_forwarded_headers_of_strangers_are_not_trusted(start):
    server = start("echo_environ", "--forwarded-allow-ips", "10.0.0.1")
    with server.wire() as wire:
        got = json.loads(wire.get("/app/x", "X-Forwarded-Proto: https", "SCRIPT_NAME: /app").body)
    assert got["wsgi.url_scheme"]["value"] == "http"
    assert got["SCRIPT_NAME"]["value"] == "" and got["PATH_INFO"]["value"] == "/app/x"
    assert got["HTTP_X_FORWARDED_PROTO"]["value"] == "https"


def test_script_name_of_the_environment(start):
    server = start("echo_environ", env={"SCRIPT_NAME": "/base"}, ready="/base/")
    with server.wire() as wire:
        got = json.loads(wire.get("/base/page").body)
    assert got["SCRIPT_NAME"]["value"] == "/base" and got["PATH_INFO"]["value"] == "/page"


def test_ipv6_addresses(start):
    server = start("echo_environ", bind="[::1]:0")
    with server.wire() as wire:
        got = json.loads(wire.get("/").body)
    assert got["SERVER_NAME"]["value"] == "::1" and got["REMOTE_ADDR"]["value"] == "::1"


@pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")
def test_each_request_has_an_environ_of_its_own(echo):
    """What one request leaves behind must not show in the next one of the same connection."""
    with echo.wire() as wire:
        first = json.loads(wire.get("/one?x=1", "X-Only-First: 1", "Content-Type: text/a").body)
        second = json.loads(wire.get("/two").body)
        third = json.loads(wire.get("/three", method="POST", body=b"body").body)
    assert "HTTP_X_ONLY_FIRST" in first and "HTTP_X_ONLY_FIRST" not in second
    assert "CONTENT_TYPE" not in second and second["QUERY_STRING"]["value"] == ""
    assert "CONTENT_LENGTH" not in second and third["CONTENT_LENGTH"]["value"] == "4"
    assert [f["PATH_INFO"]["value"] for f in (first, second, third)] == ["/one", "/two", "/three"]


def test_the_socket_of_the_request(start):
    """gunicorn.socket is the client's connection, as applications that look at TCP_INFO or peer credentials expect."""
    server = start("peer_socket", bind="unix:DIR/app.sock", ready="/")
    with Wire(server.address) as wire:
        assert wire.get("/").body.decode() == "%d" % socket.AF_UNIX
