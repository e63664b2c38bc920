"""Who may say what about a request: forwarding headers, SCRIPT_NAME, underscores, and attempts to pass for another."""
import json

import pytest

import harness


@pytest.fixture(scope="module")
def servers(start_shared):
    """Servers by their arguments; the first peer, 127.0.0.1, is trusted by default and a stranger with 10.0.0.1."""
    made = {}

    def get(*args):
        if args not in made:
            made[args] = start_shared("echo_request", *args)
        return made[args]

    return get


STRANGER = ("--forwarded-allow-ips", "10.0.0.1")


def ask(server, *headers, path="/app/x", host="Host: right.example"):
    with server.wire() as wire:
        wire.send("GET %s HTTP/1.1\r\n%s\r\n%s\r\n" % (path, host, "".join(line + "\r\n" for line in headers)))
        answer = wire.answer()
    return json.loads(answer.body) if answer.status == 200 else answer.status


@pytest.mark.parametrize("headers, scheme", [
    (["X-Forwarded-Proto: https"], "https"), (["X-Forwarded-Ssl: on"], "https"), (["X-Forwarded-Protocol: ssl"], "https"),
    (["X-Forwarded-Proto: http"], "http"), (["X-Forwarded-Proto: HTTPS"], "http"), (["X-Forwarded-Proto: https, http"], "http"),
    (["X-Forwarded-Proto: https", "X-Forwarded-Ssl: on"], "https"), ([], "own"), (["Forwarded: proto=https"], "own"),
])
def test_the_scheme(servers, headers, scheme):
    assert ask(servers(), *headers)["scheme"] == (harness.scheme() if scheme == "own" else scheme)
    assert ask(servers(*STRANGER), *headers)["scheme"] == harness.scheme()


@pytest.mark.parametrize("headers", [
    ["X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"], ["X-Forwarded-Proto: http", "X-Forwarded-Protocol: ssl"],
    ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
])
def test_schemes_that_contradict_each_other(servers, headers):
    assert ask(servers(), *headers) == 400
    assert ask(servers(*STRANGER), *headers)["scheme"] == harness.scheme()


@pytest.mark.parametrize("allow, trusted", [
    ("127.0.0.1", True), ("127.0.0.0/8", True), ("10.0.0.0/8,127.0.0.1", True), ("*", True), ("10.0.0.0/8", False), ("127.0.0.2", False), ("::1", False), ("", False),
])
def test_who_is_trusted(servers, allow, trusted):
    if harness.kind() == "gunicorn" and allow == "":
        return
    got = ask(servers("--forwarded-allow-ips", allow), "X-Forwarded-Proto: https")
    assert got["scheme"] == ("https" if trusted else harness.scheme())


def test_script_name(servers):
    got = ask(servers(), "SCRIPT_NAME: /app")
    assert (got["script"], got["path"]) == ("/app", "/x")
    got = ask(servers(*STRANGER), "SCRIPT_NAME: /app")
    assert (got["script"], got["path"]) == ("", "/app/x")
    assert ask(servers(), "Script-Name: /app")["script"] == ""
    assert ask(servers(), "SCRIPT_NAME: /other") in (400, 500)


def test_own_scheme_headers(start, tmp_path):
    (tmp_path / "conf.py").write_text("secure_scheme_headers = {'X-FORWARDED-SCHEME': 'tls'}\n")
    server = start("echo_request", "-c", tmp_path / "conf.py")
    assert ask(server, "X-Forwarded-Scheme: tls")["scheme"] == "https"
    assert ask(server, "X-Forwarded-Proto: https")["scheme"] == harness.scheme()


class TestUnderscores:
    """A name with an underscore would pass for the one with a dash."""

    @pytest.mark.parametrize("server_args", [(), STRANGER])
    def test_dropped_by_default(self, servers, server_args):
        got = ask(servers(*server_args), "X_Forwarded_For: evil", "X-Forwarded-For: good", "Content_Length: 5", "Content_Type: evil", "X_Only: 1")
        assert got["headers"]["HTTP_X_FORWARDED_FOR"] == "good"
        assert not any("evil" in value for value in got["headers"].values())
        assert not {"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_X_ONLY"} & set(got["headers"])

    def test_refused(self, servers):
        assert ask(servers("--header-map", "refuse"), "X_Other: 1") == 400
        assert ask(servers("--header-map", "refuse"), "X-Other: 1")["headers"]["HTTP_X_OTHER"] == "1"

    def test_dangerous(self, servers):
        got = ask(servers("--header-map", "dangerous"), "X_Other: 1", "X-Other: 2")
        assert got["headers"]["HTTP_X_OTHER"] == "1,2"

    def test_those_a_proxy_may_send(self, servers):
        args = ("--forwarder-headers", "REMOTE_USER,SCRIPT_NAME")
        assert ask(servers(*args), "REMOTE_USER: ann")["headers"]["HTTP_REMOTE_USER"] == "ann"
        assert "HTTP_REMOTE_USER" not in ask(servers(*args, *STRANGER), "REMOTE_USER: ann")["headers"]
        assert "HTTP_OTHER_USER" not in ask(servers(*args), "OTHER_USER: ann")["headers"]


# Headers that may not change anything but their own HTTP_ variable, trusted peer or not.
SPOOFS = [
    "X-Forwarded-For: 1.2.3.4", "X-Real-Ip: 1.2.3.4", "Client-Ip: 1.2.3.4", "Forwarded: for=1.2.3.4;host=evil.example;proto=https",
    "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 1", "X-Forwarded-Server: evil.example", "X-Original-Url: /evil", "X-Rewrite-Url: /evil",
    "X-Forwarded-Prefix: /evil", "X-Http-Method-Override: DELETE", "X-Script-Name: /evil", "Path-Info: /evil", "PATH_INFO: /evil",
    "Remote-Addr: 1.2.3.4", "Remote-User: root", "Server-Name: evil.example", "Server-Port: 1", "Request-Method: DELETE", "Query-String: evil=1",
    "Raw-Uri: /evil", "Wsgi.url_scheme: https", "Wsgi-Url-Scheme: https", "Https: on", "Transfer_Encoding: chunked", "Content_Length: 100",
    "Gunicorn.socket: 1", "X-Forwarded-Protocol: https", "Front-End-Https: on",
]


@pytest.mark.parametrize("args", [(), STRANGER, ("--header-map", "dangerous", *STRANGER)], ids=["trusted", "stranger", "dangerous"])
@pytest.mark.parametrize("line", SPOOFS)
def test_nobody_passes_for_somebody_else(servers, args, line):
    plain, spoofed = ask(servers(*args)), ask(servers(*args), line)
    if harness.scheme() == "https" and line == "X-Forwarded-Protocol: https" and STRANGER[1] not in args:
        plain["scheme"] = "http"  # the value that says https is ssl: a trusted peer denies it
    if "_scheme" in line or "PATH_INFO" in line:
        assert isinstance(spoofed, dict) or spoofed == 400
    for key in ("method", "target", "path", "query", "version", "body", "scheme", "script", "server"):
        assert spoofed[key] == plain[key], key
    assert spoofed["peer"][0] == "127.0.0.1" and spoofed["headers"]["HTTP_HOST"] == "right.example"
    name = "HTTP_" + line.split(":")[0].upper().replace("-", "_")
    assert set(spoofed["headers"]) - set(plain["headers"]) <= {name}


def test_httpoxy(servers):
    """A Proxy header would become HTTP_PROXY, which HTTP libraries obey (CVE-2016-5386)."""
    if harness.kind() == "gunicorn":
        return
    for line in ("Proxy: http://evil.example", "PROXY: http://evil.example", "proxy:evil"):
        assert "HTTP_PROXY" not in ask(servers(), line)["headers"]


def test_the_target_outranks_the_host_header(servers):
    if harness.kind() == "gunicorn":
        return
    got = ask(servers(), path="http://target.example:81/path?q")
    assert got["headers"]["HTTP_HOST"] == "target.example:81"
    assert (got["path"], got["query"]) == ("/path", "q")


def test_a_unix_socket_counts_as_trusted(start):
    server = start("echo_request", *STRANGER, bind="unix:DIR/app.sock")
    got = ask(server, "X-Forwarded-Proto: https", "SCRIPT_NAME: /app")
    assert (got["scheme"], got["script"], got["path"]) == ("https", "/app", "/x")
