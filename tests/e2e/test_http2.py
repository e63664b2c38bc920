"""HTTP/2 as its clients see it: how it is agreed on, what a stream is answered, and what streams do not do to each other."""
import json
import re
import signal
import subprocess
import time

import httpx
import pytest

import authority
from streams import Raw, Session, connected, frame
from waiting import wait_for
from wire import Wire

pytestmark = [
    pytest.mark.plain_only("its servers speak HTTP/2, in clear text and over TLS"),
    pytest.mark.not_green("its servers name their class"),
]
OWN = pytest.mark.gosrv_only("a promise that Gunicorn does not make")

BOTH = ["--http-protocols", "h2,h1"]
CLEAR = [*BOTH, "--http2-cleartext", "both"]
CLASSES = {"sync": [], "threads": ["--threads", "4"], "gevent": ["--worker-class", "gevent"]}


def certified():
    certificate, key = authority.usual()
    return ["--certfile", str(certificate), "--keyfile", str(key)]


WAYS = {"clear": CLEAR, "tls": None}


def way(name):
    return CLEAR if name == "clear" else [*BOTH, *certified()]


def speaks_tls(server):
    server.tls = True
    return server


@pytest.fixture(scope="module", params=[(w, c) for w in WAYS for c in CLASSES], ids=lambda p: "-".join(p))
def server(request, start_shared):
    ways, kind = request.param
    made = start_shared("http2_streams", *way(ways), *CLASSES[kind], "--access-logfile", "-", ready=None)
    made.tls, made.wc = ways == "tls", kind
    made.wait_log("Booting worker")
    return made


@pytest.fixture
def session(server):
    with Session(server.address, server.tls) as made:
        yield made


# -- how it is agreed on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("set_to, offered, chosen", [
    ("h2,h1", ["h2", "http/1.1"], "h2"), ("h2,h1", ["http/1.1", "h2"], "h2"), ("h1,h2", ["h2", "http/1.1"], "http/1.1"),
    ("h2,h1", ["http/1.1"], "http/1.1"), ("h2", ["h2"], "h2"), ("h1", ["h2", "http/1.1"], None),
])
def test_alpn(start, set_to, offered, chosen):
    server = start("hello", *certified(), "--http-protocols", set_to, "--threads", "2", ready=None)  # Gunicorn's sync does not speak it
    with connected(server.address, offered) as sock:
        assert sock.selected_alpn_protocol() == chosen
        if chosen == "h2":
            with Session(server.address, True, sock=sock) as session:
                assert session.get().status == 200
        else:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def curl(server, *args, path="/"):
    url = "%s://127.0.0.1:%d%s" % ("https" if server.tls else "http", server.port, path)
    out = subprocess.run(["curl", "-s", "--cacert", str(authority.ca_file()), "-w", "\n%{http_version} %{http_code}", *args, url],
                         capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out
    body, _, last = out.stdout.rpartition("\n")
    return body, last


def test_curl(server):
    assert curl(server, "--http2") == ("Hello, World!", "2 200")
    if not server.tls:
        assert curl(server, "--http2-prior-knowledge") == ("Hello, World!", "2 200")
    assert curl(server, "--http1.1") == ("Hello, World!", "1.1 200")


def test_httpx(server):
    with httpx.Client(http1=False, http2=True, verify=str(authority.ca_file())) as client:
        url = "%s://127.0.0.1:%d" % ("https" if server.tls else "http", server.port)
        for size in (0, 1, 100000):
            assert client.post(url + "/length", content=b"x" * size).text == str(size)
        assert client.get(url + "/large?300000").content == b"x" * 300000


def test_upgrade_with_a_body(start):
    server = start("http2_streams", *CLEAR, "--threads", "2", ready=None)
    body, last = curl(server, "--http2", "-d", "x" * 1000, path="/length")
    assert (body, last) == ("1000", "2 200")
    with Wire(server.address) as wire:  # settings that are none: an ordinary request
        answer = wire.get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA!")
        assert answer.status == 200


@pytest.mark.parametrize("args", [
    ["--http-protocols", "h2,h1"], ["--http2-cleartext", "both"],
    [*CLEAR, "--forwarded-allow-ips", "10.9.8.7"], [*BOTH, "--http2-cleartext", "upgrade"],
], ids=["off", "not among the protocols", "peer not trusted", "upgrade only"])
def test_prior_knowledge_is_for_those_who_may(start, args):
    server = start("hello", *args)
    with Wire(server.address) as wire:
        assert wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").answer().status in (400, 405, 501, 505)


@pytest.mark.parametrize("args", [[*CLEAR, "--forwarded-allow-ips", "10.9.8.7"], [*BOTH, "--http2-cleartext", "prior-knowledge"]],
                         ids=["peer not trusted", "prior knowledge only"])
def test_upgrade_is_for_those_who_may(start, args):
    assert curl(start("hello", *args), "--http2")[1] == "1.1 200"


@OWN
def test_h1_goes_on_beside_it(server):
    for _ in range(3):
        with Wire(server.address) if not server.tls else _tls_wire(server) as wire:
            assert wire.get("/").body == b"Hello, World!"


def _tls_wire(server):
    made = Wire.__new__(Wire)
    made.kept, made.sock = b"", connected(server.address, ["http/1.1"])
    return made


@OWN
def test_the_preface_may_come_in_pieces(server):
    if server.tls:
        pytest.skip("TLS has records of its own")
    from streams import PREFACE

    with connected(server.address) as sock:
        for byte in PREFACE + frame(4):
            sock.sendall(bytes([byte]))
        assert sock.recv(9)[3] == 4


# -- what a stream is answered -----------------------------------------------------------------------------------


def test_environ(session, server):
    got = json.loads(session.get("/environ?a=b", headers=[("x-own", "1"), ("cookie", "a=1"), ("cookie", "b=2")]).body)
    want = {
        "SERVER_PROTOCOL": "HTTP/2.0", "REQUEST_METHOD": "GET", "PATH_INFO": "/environ", "QUERY_STRING": "a=b", "RAW_URI": "/environ?a=b",
        "HTTP_HOST": "test", "HTTP_X_OWN": "1", "HTTP_VERSION": "2", "wsgi.url_scheme": "https" if server.tls else "http",
        "gunicorn.http2.priority_weight": 16, "gunicorn.http2.priority_depends_on": 0, "REMOTE_ADDR": "127.0.0.1",
    }
    assert {key: got.get(key) for key in want} == want
    if server.kind == "gosrv":
        assert got["HTTP_COOKIE"] == "a=1; b=2" and "HTTP_TRANSFER_ENCODING" not in got
        assert "gunicorn.http2.send_trailers" in got


@OWN
def test_environ_of_a_body_without_a_length(session):
    for _ in range(3):  # also when the block is remembered
        got = json.loads(session.get("/environ", method="POST", body=b"x").body)
        assert "HTTP_TRANSFER_ENCODING" not in got and "CONTENT_LENGTH" not in got


@OWN
def test_environ_of_h1_has_nothing_of_it(server):
    if server.tls:
        pytest.skip("asked in clear text")
    for _ in range(3):
        with Session(server.address) as session, Wire(server.address) as wire:
            assert "gunicorn.http2.priority_weight" in json.loads(session.get("/environ").body)
            got = json.loads(wire.get("/environ").body)
            assert got["SERVER_PROTOCOL"] == "HTTP/1.1" and not [key for key in got if "http2" in key or key == "HTTP_VERSION"]


@OWN
def test_a_trusted_proxy_says_the_scheme(start):
    server = start("http2_streams", *CLEAR)
    with Session(server.address) as session:
        session.scheme = "https"
        assert json.loads(session.get("/environ").body)["wsgi.url_scheme"] == "https"


def test_answers(session):
    first = session.get()
    assert (first.status, first.body) == (200, b"Hello, World!")
    assert not {"connection", "keep-alive", "transfer-encoding"} & {name for name, _ in first.headers}
    head = session.get("/", method="HEAD")
    assert (head.status, head.body, head.get("content-length")) == (200, b"", "13")
    assert session.get("/large?300000").body == b"x" * 300000
    assert session.get("/write?5").body == b"w" * 250000 + b"end"
    assert session.get("/fail").status == 500
    assert session.get("/length", method="POST", body=b"x" * 200000).body == b"200000"
    assert session.get("/length", method="POST", headers=[("content-length", "70000")], body=b"x" * 70000).body == b"70000"


def test_pieces_come_as_they_are_made(session):
    number = session.begin("/pieces?4")
    seen = set()
    reply = session.replies[number]
    while not reply.over:
        session.read()
        seen.add(len(reply.body))
    assert reply.body == b"".join(b"piece %d;" % n for n in range(4)) and len(seen) >= 4


def test_early_hints(session):
    reply = session.get("/hints")
    assert [status for status, _ in reply.interim] == [103] and reply.status == 200
    assert ("link", "</style.css>; rel=preload") in reply.interim[0][1]


@OWN
def test_trailers(session):
    reply = session.get("/trailers")
    assert (reply.body, reply.trailers) == (b"ab", [("x-sum", "abc"), ("grpc-status", "0")])
    assert [text[:13] for text in json.loads(session.get("/wrong-trailers").body)] == ["send_trailers"] * 3


@OWN
@pytest.mark.parametrize("path", ["/short", "/broken"])
def test_an_answer_that_is_not_whole_is_reset(session, path):
    reply = session.get(path)
    assert reply.status == 200 and reply.reset == 2 and not reply.ended
    assert session.get().status == 200


@OWN
def test_expect(session):
    number = session.begin("/length", "POST", [("expect", "100-continue")], end=False)
    session.until(lambda: session.replies[number].interim, "100 Continue")
    assert session.replies[number].interim[0][0] == 100
    session.send(number, b"body", end=True)
    assert session.reply(number).body == b"4"


@OWN
def test_access_log(session, server):
    session.get("/environ?logged", headers=[("user-agent", "h2/1")])
    wait_for(lambda: re.search(r'127\.0\.0\.1 - - \[.*\] "GET /environ\?logged HTTP/2\.0" 200 \d+ "-" "h2/1"', server.out), "the line")


@OWN
def test_gunicorn_socket_is_only_to_be_looked_at(session):
    assert b"not supported" in session.get("/socket").body


@OWN
def test_streams_beside_each_other(server):
    with Session(server.address, server.tls) as session:
        for number in [session.begin("/sleep?0.4") for _ in range(3)]:
            assert session.reply(number).body == b"slept"
        most = json.loads(session.get("/calls").body)["most"]
        assert most == 1 if server.wc == "sync" else most == 3


# -- streams do not get in each other's way -----------------------------------------------------------------------


@OWN
def test_a_slow_reader_stops_nobody_else(server):
    with Session(server.address, server.tls, credit=False) as session:
        slow = session.begin("/large?1000000")
        session.until(lambda: len(session.replies[slow].body) == 65535, "all that the window holds")
        session.give(1000000)  # of the connection: this stream's stays shut
        for _ in range(5):
            assert session.get().body == b"Hello, World!"
        session.give(1000000, slow)
        assert len(session.reply(slow).body) == 1000000


@OWN
def test_a_slow_upload_stops_nobody_else(session):
    slow = session.begin("/length", "POST", end=False)
    session.send(slow, b"x" * 10)
    for _ in range(5):
        assert session.get().body == b"Hello, World!"
    session.send(slow, b"x" * 10, end=True)
    assert session.reply(slow).body == b"20"


@OWN
def test_uploads_beside_each_other(session):
    many = [session.begin("/length", "POST", end=False) for _ in range(10)]
    for _ in range(20):
        for number in many:
            session.send(number, b"x" * 10000)
    for number in many:
        session.send(number, b"", end=True)
    assert [session.reply(number).body for number in many] == [b"200000"] * 10


@OWN
def test_a_stream_that_is_given_up(session, server):
    for _ in range(5):
        number = session.begin("/large?1000000")
        session.until(lambda number=number: session.replies[number].body, "the beginning")
        session.h2.reset_stream(number, 8)
        session.flush()
    for _ in range(3):
        number = session.begin("/sleep?0.05")
        session.h2.reset_stream(number, 8)
        session.flush()
    assert session.get().status == 200


@OWN
def test_the_client_goes_away(server):
    for path in ("/large?1000000", "/sleep?0.1", "/pieces?3", "/write?10"):
        with Session(server.address, server.tls, credit=False) as session:
            session.begin(path)
            upload = session.begin("/length", "POST", end=False)
            session.send(upload, b"x")
    with Session(server.address, server.tls) as session:
        assert session.get().status == 200


@OWN
def test_what_is_urgent_comes_first(server):
    with Session(server.address, server.tls, credit=False) as session:
        last = session.begin("/large?150000", headers=[("priority", "u=7")])
        session.until(lambda: len(session.replies[last].body) == 65535, "all that the window holds")
        soon = session.begin("/large?150000", headers=[("priority", "u=3")])
        first = session.begin("/large?150000", headers=[("priority", "u=0")])
        for number in (last, soon, first):
            session.give(1000000, number)
        time.sleep(0.2)  # all three wait for the connection's window now
        order = []
        while (have := had(session)) < 450000:
            before = {n: len(session.replies[n].body) for n in (first, soon, last)}
            session.give(16384)
            session.until(lambda have=have: had(session) >= min(have + 16384, 450000), "a window's worth")
            order += [n for n in before if len(session.replies[n].body) > before[n]]
        assert order == sorted(order, key=[first, soon, last].index)


def had(session):
    return sum(len(reply.body) for reply in session.replies.values())


# -- limits and time-outs ------------------------------------------------------------------------------------------


@OWN
def test_limits(start):
    server = start("http2_streams", *CLEAR, "--limit-request-body", "1000", "--limit-request-line", "200", "--http2-max-header-list-size", "4000")
    with Session(server.address) as session:
        assert session.reply(session.begin("/length", "POST", [("content-length", "1001")], end=False)).status == 413
        assert session.get("/length", method="POST", body=b"x" * 1001).status == 413
        assert session.get("/" + "x" * 300).status == 414
        assert session.get("/", headers=[("x-%d" % n, "y" * 100) for n in range(40)]).status == 431
        assert session.get("/", headers=[("x-%d" % n, "y") for n in range(101)]).status == 431
        assert session.get().status == 200
        assert json.loads(session.get("/calls").body)["calls"] == ["/", "/"]


@OWN
def test_concurrent_streams(start):
    server = start("http2_streams", *CLEAR, "--http2-max-concurrent-streams", "3", "--threads", "2")
    with Session(server.address) as session:
        session.h2.remote_settings  # noqa: B018
        many = [session.begin("/length", "POST", end=False) for _ in range(3)]
        session.until(lambda: session.h2.remote_settings.max_concurrent_streams == 3, "SETTINGS")
        for number in many:
            session.send(number, b"", end=True)
        assert [session.reply(number).status for number in many] == [200] * 3
    with Raw(server.address) as raw:
        from streams import request_block

        for number in (1, 3, 5, 7):
            raw.send(frame(1, 4, number, request_block()))
        assert raw.until(3) == (7).to_bytes(4, "big")


@OWN
@pytest.mark.parametrize("classes", CLASSES)
def test_times_of_a_stream(start, classes):
    server = start("http2_streams", *CLEAR, *CLASSES[classes], "--body-timeout", "1", "--write-timeout", "1", "--header-timeout", "1")
    with Session(server.address, credit=False) as session:
        upload = session.begin("/length", "POST", end=False)
        assert session.reply(upload).status == 408
        stalled = session.begin("/large?1000000")
        assert session.reply(stalled).reset is not None
        assert session.get().status == 200
        half = session.h2.get_next_available_stream_id()
        session.sock.sendall(frame(1, 1, half, b""))
        assert session.end()[1] == 1
    with connected(server.address) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        data = b""
        while chunk := sock.recv(1000):
            data += chunk
        assert data.endswith((1).to_bytes(4, "big"))


@OWN
def test_an_idle_connection_is_told(start):
    server = start("http2_streams", *CLEAR, "--keep-alive", "1")
    with Session(server.address) as session:
        number = session.begin()
        session.reply(number)
        assert session.end() == (number, 0)


@OWN
@pytest.mark.parametrize("classes", CLASSES)
def test_one_stream_is_late(start, classes):
    server = start("http2_streams", *CLEAR, *CLASSES[classes], "--request-timeout", "1", *([] if classes != "sync" else ["--timeout", "30"]), balance=False)
    with Session(server.address) as session:
        late = session.begin("/sleep?8")
        beside = session.begin("/") if classes != "sync" else None
        if beside:
            assert session.reply(beside).status == 200
        assert session.reply(late).status == 504
    with Session(server.address) as session:
        assert session.get().status == 200
    server.wait_log(r"TIMEOUT \(pid:\d+\): GET /sleep from .*answered 504")


@OWN
def test_streamed_bodies(start):
    for classes in CLASSES.values():
        server = start("http2_streams", *CLEAR, *classes, "--stream-request-body")
        with Session(server.address) as session:
            for headers in ([], [("content-length", "300000")]):
                number = session.begin("/echo", "POST", headers, end=False)
                session.send(number, b"a" * 100)
                session.until(lambda number=number: session.replies[number].body, "the beginning, before the end was sent")
                session.send(number, b"b" * 299900, end=True)
                assert session.reply(number).body == b"a" * 100 + b"b" * 299900
            beside = session.begin("/echo", "POST", end=False)
            session.send(beside, b"x")
            session.h2.reset_stream(beside, 8)
            session.flush()
            assert session.get().status == 200


# -- the end -------------------------------------------------------------------------------------------------------


@OWN
@pytest.mark.parametrize("classes", CLASSES)
def test_a_reload_serves_what_was_asked(start, classes):
    server = start("http2_streams", *CLEAR, *CLASSES[classes])
    with Session(server.address) as session, Session(server.address) as idle:
        assert idle.get().status == 200
        slow = session.begin("/sleep?0.5")
        wait_for(lambda: "/sleep" in json.dumps(_calls(server)) if classes != "sync" else True, "the call")
        time.sleep(0.1)
        server.send_signal(signal.SIGHUP)
        session.until(lambda: session.goaways, "GOAWAY")
        assert session.goaways[0] == (2**31 - 1, 0)
        assert session.reply(slow).body == b"slept"
        assert session.end() == (slow, 0)
        assert idle.end() == (1, 0)


def _calls(server):
    with Session(server.address) as session:
        return json.loads(session.get("/calls").body)["calls"]


@OWN
def test_max_requests_counts_streams(start):
    server = start("http2_streams", *CLEAR, "--max-requests", "20")
    first = server.worker_pids()
    with Session(server.address) as session:
        for _ in range(20):
            assert session.get().status == 200
        assert session.end()[1] == 0
    server.wait_workers(1, without=first)


@OWN
def test_stop(start):
    server = start("http2_streams", *CLEAR, "--threads", "2")
    with Session(server.address) as session:
        slow = session.begin("/sleep?0.5")
        time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert session.reply(slow).body == b"slept"
        assert session.end() == (slow, 0)
    assert server.wait_end() == 0
