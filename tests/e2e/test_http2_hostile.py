"""HTTP/2 from clients that mean harm: floods, requests that would be others in HTTP/1, windows of nothing."""
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import harness
import procs
from streams import Raw, Session, frame, literal, request_block
from test_http2 import BOTH, CLASSES, CLEAR, certified
from waiting import wait_for

pytestmark = [
    pytest.mark.plain_only("its servers speak HTTP/2, in clear text and over TLS"),
    pytest.mark.not_green("its servers name their class"),
    pytest.mark.gosrv_only("a promise that Gunicorn does not make"),
]

CALM = 11
GET = request_block()
POST = request_block(**{":method": b"POST"})


def number(n):
    return 2 * n + 1


def numbered(value):
    return value.to_bytes(4, "big")


# Each gives the n-th of many.
FLOODS = {
    "rapid reset": lambda n: frame(1, 5, number(n), GET) + frame(3, 0, number(n), numbered(8)),
    "made you reset": lambda n: frame(1, 5, number(n), GET) + frame(8, 0, number(n), numbered(0)),
    "malformed": lambda n: frame(1, 5, number(n), literal(b"x", b"y")),
    "ping": lambda n: frame(6, 0, 0, bytes(8)),
    "settings": lambda n: frame(4),
    "priority": lambda n: frame(2, 0, 1, bytes(5)),
    "empty data": lambda n: frame(0, 0, 1) if n else frame(1, 4, 1, POST),
    "unknown frames": lambda n: frame(0x77),
    "continuation": lambda n: frame(9, 0, 1) if n else frame(1, 0, 1),
    "continuation that is large": lambda n: frame(9, 0, 1, bytes(16000)) if n else frame(1, 0, 1),
    "windows by a byte": lambda n: frame(8, 0, 0, numbered(1)),
    "half-open streams": lambda n: frame(1, 4, number(n), POST),
}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("http2_streams", *CLEAR, "--threads", "2")


def called(server):
    with Session(server.address) as session:
        return json.loads(session.get("/calls").body)["calls"]


def memory(server):
    return sum(procs.Proc(pid).rss for pid in server.worker_pids()) if hasattr(procs.Proc, "rss") else sum(
        int(Path("/proc/%d/statm" % pid).read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in server.worker_pids())


@pytest.mark.parametrize("name", FLOODS)
def test_floods(server, name):
    before, room = called(server), memory(server)
    with Raw(server.address) as raw:
        raw.sock.settimeout(20)
        raw.until(4)
        # One write: all of it lies in the socket before anything is read.
        flood = b"".join(FLOODS[name](n) for n in range(2000))
        sender = threading.Thread(target=send_all, args=(raw.sock, flood))
        sender.start()
        last = raw.until(7)
        assert last[4:8] == numbered(CALM)
        while raw.next() is not None:
            pass
        sender.join()
    seen = called(server)
    assert len(seen) - len(before) <= (100 if name == "half-open streams" else 0), "the application was called"
    assert memory(server) - room < 10 << 20


def send_all(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass  # it was told to stop


def test_others_are_answered_meanwhile(server):
    stop = threading.Event()

    def attack():
        while not stop.is_set():
            try:
                with Raw(server.address) as raw:
                    send_all(raw.sock, b"".join(FLOODS["rapid reset"](n) for n in range(1000)))
                    while raw.next() is not None:
                        pass
            except OSError:
                pass

    attackers = [threading.Thread(target=attack) for _ in range(3)]
    for one in attackers:
        one.start()
    try:
        with Session(server.address) as session:
            for _ in range(200):
                assert session.get().status == 200
    finally:
        stop.set()
        for one in attackers:
            one.join()


def test_an_hpack_bomb_is_counted_and_not_kept(server):
    room = memory(server)
    big = b"\x40\x01a" + b"\x7f" + bytes([0x80 | (3900 - 127) & 0x7F, (3900 - 127) >> 7]) + b"x" * 3900
    with Raw(server.address) as raw:
        for n in range(20):
            raw.send(frame(1, 5, number(n), GET + (big if n == 0 else b"") + b"\xbe" * 10000))
        for n in range(20):
            assert b"431" in raw.until(1, number(n))
        assert memory(server) - room < 10 << 20


@pytest.mark.parametrize("window", [0, 1])
def test_tiny_windows(server, window):
    """A client whose streams may be sent nothing, or a byte, holds what it has asked for and nothing else."""
    room = memory(server)
    with Raw(server.address) as raw:
        raw.send(frame(4, 0, 0, b"\0\4" + numbered(window)))
        path = request_block(**{":path": b"/large?100000"})
        for n in range(20):
            raw.send(frame(1, 5, number(n), path))
        for n in range(20):
            raw.until(1, number(n))
        with Session(server.address) as session:
            assert session.get().status == 200
        assert memory(server) - room < 10 << 20
    wait_for(lambda: called(server), "its end")


def test_a_client_that_reads_nothing(server):
    """What it does not take is not made: nothing more is read of it, and others are served."""
    room = memory(server)
    with Raw(server.address) as raw:
        raw.send(frame(4, 0, 0, b"\0\4" + numbered(2**31 - 1)), frame(8, 0, 0, numbered(2**31 - 65536)))
        path = request_block(**{":path": b"/large?5000000"})
        for n in range(4):
            raw.send(frame(1, 5, number(n), path))
        with Session(server.address) as session:
            for _ in range(20):
                assert session.get().status == 200
        assert memory(server) - room < 30 << 20  # the application's four answers


# -- desync --------------------------------------------------------------------------------------------------------

WRONG = {
    "line end in a value": GET + literal(b"x", b"a\r\nb: c"),
    "line feed in a value": GET + literal(b"x", b"a\nb"),
    "carriage return in a value": GET + literal(b"x", b"a\rb"),
    "nul in a value": GET + literal(b"x", b"a\0b"),
    "space before a value": GET + literal(b"x", b" a"),
    "line end in a name": GET + literal(b"a\r\nb", b"c"),
    "colon in a name": GET + literal(b"a:b", b"c"),
    "space in a name": GET + literal(b"a b", b"c"),
    "capital in a name": GET + literal(b"Abc", b"c"),
    "empty name": GET + literal(b"", b"c"),
    "request line in the path": request_block(**{":path": b"/ HTTP/1.1\r\nx: y"}),
    "space in the path": request_block(**{":path": b"/a b"}),
    "empty path": request_block(**{":path": b""}),
    "address as path": request_block(**{":path": b"http://other/"}),
    "request line in the method": request_block(**{":method": b"GET / HTTP/1.1\r\n\r\nGET"}),
    "space in the method": request_block(**{":method": b"GET /x"}),
    "line end in the authority": request_block(**{":authority": b"a\r\nx: y"}),
    "two paths": GET + literal(b":path", b"/b"),
    "two methods": literal(b":method", b"POST") + GET,
    "no method": request_block(**{":method": None}),
    "no scheme": request_block(**{":scheme": None}),
    "pseudo field behind another": literal(b"x", b"y") + GET,
    "pseudo field of an answer": GET[:0] + literal(b":status", b"200") + GET,
    "unknown pseudo field": literal(b":x", b"y") + GET,
    "protocol": literal(b":protocol", b"websocket") + request_block(**{":method": b"CONNECT"}),
    "transfer-encoding": POST + literal(b"transfer-encoding", b"chunked"),
    "connection": GET + literal(b"connection", b"close"),
    "keep-alive": GET + literal(b"keep-alive", b"1"),
    "upgrade": GET + literal(b"upgrade", b"h2c"),
    "te": GET + literal(b"te", b"gzip"),
    "host against authority": GET + literal(b"host", b"other"),
    "two lengths": POST + literal(b"content-length", b"5") + literal(b"content-length", b"5"),
    "length that is none": POST + literal(b"content-length", b"+5"),
    "length of a list": POST + literal(b"content-length", b"5, 5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_desync(server, name):
    before = called(server)
    with Raw(server.address) as raw:
        raw.send(frame(1, 4, 1, WRONG[name]), frame(0, 1, 1, b"GET /"))
        assert raw.until(3, 1) == numbered(1)  # PROTOCOL_ERROR
        raw.send(frame(1, 5, 3, GET))
        raw.until(1, 3)
    assert called(server) == [*before, "/"]


@pytest.mark.parametrize("length, body", [(b"3", b"four"), (b"5", b"four"), (b"0", b"x"), (b"9", b"")])
def test_length_against_data(server, length, body):
    before = called(server)
    with Raw(server.address) as raw:
        raw.send(frame(1, 4, 1, POST + literal(b"content-length", length)), frame(0, 1, 1, body))
        assert raw.until(3, 1) == numbered(1)
    assert called(server) == before


def test_what_http1_refuses_is_refused(server):
    before = called(server)
    with Session(server.address) as session:
        assert session.get("/", method="GE(T").status == 400
        assert session.get("/", method="CONNECT").status in (400, 405, 501)
        assert session.get("/#fragment").status == 400
        assert session.get("/", headers=[("expect", "nonsense")]).status in (400, 417)
    assert called(server) == before


# -- the RFC, case by case -----------------------------------------------------------------------------------------


def h2spec():
    """The program, from PATH or built once from the Go module proxy."""
    found = shutil.which("h2spec")
    if found:
        return found
    made = Path(harness.TESTS) / ".cache" / "h2spec"
    if not made.exists():
        if shutil.which("go") is None:
            pytest.skip("no h2spec, and no Go to build it")
        env = dict(os.environ, GOBIN=str(made.parent), GOFLAGS="")
        got = subprocess.run(["go", "install", "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"], env=env, capture_output=True, text=True, timeout=300)
        if got.returncode:
            pytest.skip("h2spec cannot be built: %s" % got.stderr[-300:])
    return str(made)


@pytest.mark.parametrize("over", ["clear", "tls"])
@pytest.mark.parametrize("classes", CLASSES)
def test_h2spec(start, over, classes):
    program = h2spec()
    args = CLEAR if over == "clear" else [*BOTH, *certified()]
    server = start("hello", *args, *CLASSES[classes], ready=None)
    got = subprocess.run([program, "-h", "127.0.0.1", "-p", str(server.port), "-S", "-o", "5", *(["-t", "-k"] if over == "tls" else [])],
                         capture_output=True, text=True, timeout=300)
    assert got.returncode == 0 and " 0 failed" in got.stdout, got.stdout[-4000:]


# -- none is lost --------------------------------------------------------------------------------------------------


def obedient(server, tls, count, lost):
    """One client after the other, each asking until it is told GOAWAY: what lies above the last stream is asked for again."""
    done = 0
    while done < count:
        try:
            with Session(server.address, tls) as session:
                while done < count and not session.goaways:
                    many = [session.begin() for _ in range(10)]
                    for one in many:
                        reply = session.replies[one]
                        session.until(lambda reply=reply, one=one: reply.over or beyond(session, one), "an answer")
                        if beyond(session, one):
                            continue
                        if reply.status == 200 and reply.ended:
                            done += 1
                        else:
                            lost.append(repr(reply))
                            done += 1
        except (ConnectionError, OSError) as failed:
            if not str(failed).startswith("[Errno 111]") and not getattr(session, "goaways", None):
                lost.append(repr(failed))


def beyond(session, number):
    return any(last < number for last, _ in session.goaways)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_no_stream_is_lost_by_reloads(start, classes, tls):
    import signal

    server = start("hello", *(CLEAR if not tls else [*BOTH, *certified()]), *CLASSES[classes], "--workers", "2", ready=None)
    server.wait_workers(2)
    lost = []
    clients = [threading.Thread(target=obedient, args=(server, tls, 500, lost)) for _ in range(4)]
    for one in clients:
        one.start()
    while any(one.is_alive() for one in clients):
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        server.wait_workers(2, without=old)
    for one in clients:
        one.join()
    assert lost == []
