"""What a client sends may not forge a line in a log, steer a terminal, or fill the disk."""
import re

import pytest

import harness
from wire import once

pytestmark = pytest.mark.gosrv_only("Gunicorn lets some of these through raw")
PRINTABLE = re.compile(rb"[\x20-\x7e]*\n")
FORGED = "FORGED 127.0.0.1 - - [] \"GET /forged HTTP/1.1\" 200 0"
# Values of client-controlled atoms; the bytes go over the wire as they are.
VALUES = {
    "latin": "caf\xe9 \xff", "c1": "a\x80\x9b31mred\x9d", "quote": "a\" 200 5 \"b", "backslash": "a\\\" 200 5 \\\"b", "encoded": "%0d%0a" + FORGED,
    "encoded-lf": "a%0aFORGED", "utf-8": "\u2028 \u202e".encode().decode("latin-1"), "tab": "a\tb", "percent": "%(h)s %s %n %", "long": "x" * 8000,
}


@pytest.fixture(scope="module", params=[[], ["--access-logformat", "%(r)s|%(f)s|%(a)s|%(U)s|%(q)s|%({x-own}i)s|%(u)s"]], ids=["default", "own"])
def server(start_shared, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("logs")
    found = start_shared("echo_request", "--access-logfile", folder / "access", *request.param, log_level="info")
    found.access = folder / "access"
    harness.wait_for(lambda: b"\n" in found.access.read_bytes(), "the line of the request that found the server ready")
    return found


def lines_of(server, raw, count=1):
    """The access lines that a request makes: all of them, as bytes."""
    before = server.access.stat().st_size if server.access.exists() else 0
    once(server.address, raw)
    mark = b"GET /mark HTTP/1.1\r\nHost: t\r\nUser-Agent: THE-MARK\r\nConnection: close\r\n\r\n"
    once(server.address, mark)

    def look():
        with open(server.access, "rb") as f:
            f.seek(before)
            text = f.read()
        return text if b"THE-MARK" in text and text.endswith(b"\n") else None

    text = harness.wait_for(look, "the access line")
    lines = text.splitlines(keepends=True)
    assert len(lines) == count + 1, lines
    return lines[:-1]


def request(path="/", **headers):
    lines = "".join("%s: %s\r\n" % (name.replace("_", "-"), value) for name, value in headers.items())
    return ("GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%s\r\n" % (path, lines)).encode("latin-1")


@pytest.mark.parametrize("name", ["User_Agent", "Referer", "X_Own"])
@pytest.mark.parametrize("kind", sorted(VALUES))
def test_headers_in_the_access_log(server, kind, name):
    line, = lines_of(server, request(**{name: VALUES[kind]}))
    assert PRINTABLE.fullmatch(line) or kind == "tab" and PRINTABLE.fullmatch(line.replace(b"\t", b" ")), line
    assert not line.startswith(b"FORGED")
    if name != "X_Own" and kind in ("quote", "backslash"):
        assert balanced(line), line


def balanced(line):
    """Quoted fields end where they should: an inner quote is escaped."""
    text = line.decode().rstrip("\n")
    return re.sub(r"\\.", "", text).count('"') in (0, 6)


@pytest.mark.parametrize("path", ["/%0d%0aFORGED", "/%1b[31mred", "/%00", "/%e2%80%a8", "/%ff%fe", "/%22%20200%205", "/?%0aFORGED", "/" + "%0a" * 1000])
def test_paths_in_the_access_log(server, path):
    line, = lines_of(server, request(path))
    assert PRINTABLE.fullmatch(line), line
    assert balanced(line)


@pytest.mark.parametrize("user", ["a\nFORGED", "a\x1b[31m", "a\" 200", "\xff\x80", "a:b"])
def test_basic_auth_users_in_the_access_log(server, user):
    import base64

    token = base64.b64encode((user + ":secret").encode("latin-1")).decode()
    line, = lines_of(server, request(Authorization="Basic " + token))
    assert PRINTABLE.fullmatch(line), line
    assert b"secret" not in line


# Refused requests: whatever they hold, the error log gets one printable line each.
REFUSED = [
    b"GET /\x1b[31m HTTP/1.1\r\nHost: t\r\n\r\n", b"GET / HTTP/1.1\r\nHost: t\r\nX: a\x1b[2Jb\r\n\r\n", b"GET / HTTP/1.1\r\nHost: t\r\nX\x1b: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nX: a\nFORGED [INFO] line\r\n\r\n", b"GET /a\nFORGED HTTP/1.1\r\nHost: t\r\n\r\n", b"GE\x1bT / HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nUser-Agent: " + b"u" * 65536 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\x1b\r\nHost: t\r\n\r\n", b"GET / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \xe2\x80\xa8\r\n\r\n", b"GET /\xe2\x80\xa8FORGED HTTP/1.1\r\nHost: t\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\x1b[31m\r\n", b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: \x1b5\r\n\r\n",
]


@pytest.mark.parametrize("raw", REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_refused_requests_in_the_error_log(server, raw):
    before = server.log_path.stat().st_size
    once(server.address, raw)
    with open(server.log_path, "rb") as f:
        f.seek(before)
        said = f.read()
    for line in said.splitlines(keepends=True):
        assert PRINTABLE.fullmatch(line) and re.match(rb"\[\d{4}-\d\d-\d\d ", line), line
        assert len(line) < 1000
    assert said.count(b"\n") == 1 and b"[WARNING]" in said


def test_a_path_with_controls_in_the_error_log(start):
    """A failing application is named with its URL, as it was sent."""
    server = start("raising")
    before = len(server.log)
    once(server.address, b"GET /before?%0aFORGED%1b HTTP/1.1\r\nHost: t\r\n\r\n")
    server.wait_log("RAISED-before")
    first = server.log[before:].splitlines()
    assert any("Error handling request GET /before?%0aFORGED%1b" in line for line in first)
    assert not any(line.startswith("FORGED") for line in first)


@pytest.mark.parametrize("bind, ip", [("unix:DIR/app.sock", ""), ("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")])
def test_who_sent_a_refused_request(start, bind, ip):
    server = start("hello", bind=bind)
    once(server.address, b"nonsense\r\n\r\n")
    server.wait_log(r"Invalid request from ip=%s: \w" % re.escape(ip))
