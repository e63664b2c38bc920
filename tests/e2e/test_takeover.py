"""gunicorn.socket: an application takes its client's connection over and speaks a protocol of its own."""
import os
import signal
import socket
import struct
import threading

import pytest

import harness
import procs
from waiting import wait_for

CREWS = pytest.mark.parametrize("threads", [1, 4])
LOSES = pytest.mark.gosrv_only("Gunicorn loses what was received with the request")
NOT_BLOCKING = pytest.mark.not_green("the descriptor of such a socket does not block, under Gunicorn neither")
WAYS = ["by_recv", "by_recv_into", "by_makefile", "by_recvmsg", "by_recvmsg_into", "by_peek", "by_descriptor", "by_select", "by_with"]
UPGRADE = "GET /%s HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"


def arguments(threads, *args):
    return ("own_protocol", "--threads", threads, "--keep-alive", "60") + args


@pytest.fixture
def serve(start):
    return lambda threads=1, *args, **kw: start(*arguments(threads, *args), **kw)


@pytest.fixture(scope="module")
def shared(start_shared):
    """One server for the tests that leave it as it was; by its number of threads."""
    servers = {}

    def server(threads):
        if threads not in servers:
            servers[threads] = start_shared(*arguments(threads))
        return servers[threads]

    return server


def opened(server, path, behind=b"", wire=None):
    """A connection that the application of path has, and has said hello on."""
    wire = wire or server.wire(30)
    wire.send((UPGRADE % path).encode() + behind)
    if "quiet" not in path:
        assert wire.exactly(6) == b"hello\n"
    return wire


def echoed(wire, text):
    wire.send(text + b"\n")
    return wire.exactly(len(text) + 1) == text + b"\n"


def descriptors(server):
    return int(server.get("/descriptors", headers={"Connection": "close"}).text)


@pytest.mark.matrix
@CREWS
@pytest.mark.parametrize("way", [pytest.param(way, marks=NOT_BLOCKING) if way == "by_descriptor" else way for way in WAYS])
def test_a_protocol_of_its_own(shared, threads, way):
    """The socket waits, as a blocking one does, and the end is silent."""
    server = shared(threads)
    with opened(server, way + "?stop") as wire:
        for text in (b"one", b"two", b"x" * 3000):
            assert echoed(wire, text)
        wire.send(b"end\n")
        assert wire.closed()
    assert server.get("/").text == "hello" and "Traceback" not in server.log


@LOSES
@CREWS
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("by_descriptor", "by_select")])
@pytest.mark.parametrize("after", [b"", b"three\n"], ids=["alone", "and-more"])
def test_what_came_behind_the_request_is_read_first(shared, threads, way, after):
    with opened(shared(threads), way + "?stop&quiet", b"one\ntwo\n") as wire:
        assert wire.exactly(8) == b"one\ntwo\n"
        wire.send(after + b"end\n")
        assert wire.rest() == after


@LOSES
def test_what_came_behind_a_body(shared):
    with shared(1).wire() as wire:
        wire.send(b"POST /by_recv?stop&quiet HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbodyone\nend\n")
        assert wire.rest() == b"one\n"


@pytest.mark.gosrv_only("a setting of gosrv's")
@pytest.mark.parametrize("head, rest", [("Content-Length: 8", b"one\ntwo\nend\n"), ("Transfer-Encoding: chunked", b"one\nend\n")])
def test_a_body_that_nobody_has_read_yet(serve, head, rest):
    """As with Gunicorn, whoever takes the connection over finds the body in it, as it was sent."""
    server = serve(1, "--stream-request-body")
    with server.wire() as wire:
        wire.send(("POST /by_recv?stop HTTP/1.1\r\nHost: t\r\n%s\r\n\r\n" % head).encode())
        assert wire.exactly(6) == b"hello\n"
        wire.send(rest)
        assert wire.rest() == rest[:-len(b"end\n")]


@CREWS
@pytest.mark.parametrize("ending, line, status", [
    ("stop", None, None), ("connection", None, None), ("reset", None, None), ("value", "REASON-of-the-application", 500), ("nothing", None, "None"),
    ("answer", None, 200),
])
@pytest.mark.gosrv_only("Gunicorn writes a head, a page or the answer into the connection")
def test_nothing_follows_what_the_application_has_said(serve, threads, ending, line, status):
    server = serve(threads, "--access-logfile", "-")
    with opened(server, "by_recv?" + ending) as wire:
        assert echoed(wire, b"text")
        wire.send(b"end\n")
        assert wire.closed()
    server.get("/after")
    wait_for(lambda: "/after" in server.out, "the next line of the access log")
    assert ("Traceback" in server.log) == (line is not None) and (line is None or line in server.log)
    logged = [text for text in server.out.splitlines() if "/by_recv" in text]
    assert [text.split('" ')[1].split()[0] for text in logged] == ([] if status is None else [str(status)])


@CREWS
def test_a_request_before_it_on_the_same_connection(shared, threads):
    server = shared(threads)
    with server.wire() as wire:
        if server.kind == "gosrv" or threads > 1:  # Gunicorn's sync worker keeps no connection
            assert [wire.get("/").body for _ in range(3)] == [b"hello"] * 3
        with opened(server, "by_recv?stop", wire=wire):
            assert echoed(wire, b"text")
            wire.send(b"end\n")
            assert wire.closed()


@CREWS
def test_the_socket_has_its_own_time(shared, threads):
    with opened(shared(threads), "by_timeout?stop") as wire:
        assert wire.exactly(len("timed out\nwould block\n")) == b"timed out\nwould block\n"
        assert echoed(wire, b"text")


@CREWS
def test_looking_takes_nothing_over(shared, threads):
    """Addresses, options, and whether the client is still there; the connection is even kept."""
    server = shared(threads)
    with server.wire() as wire:
        for path, text in (("looks", b"looked"), ("is_gone", b"here")) * 2:
            answer = wire.get("/" + path)
            assert answer.status == 200 and answer.body == text
            if answer.get("Connection") == "close":
                wire.sock.close()
                wire.__init__(server.address)
    with server.wire() as wire:
        wire.send("GET /is_gone HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").finish_sending()
        assert wire.answer().body in (b"gone", b"here")  # a FIN that has come, or has not


@CREWS
@pytest.mark.parametrize("path, method, body", [("interim", "GET", b""), ("body_first", "POST", b"a body")])
def test_an_interim_answer_takes_nothing_over(shared, threads, path, method, body):
    """1xx by hand, as applications did it before wsgi.early_hints."""
    with shared(threads).wire() as wire:
        first = wire.get("/" + path, method=method, body=body)
        assert first.status == 103 and first.get("Link") == "</style.css>; rel=preload"
        answer = wire.answer()
        assert answer.status == 200 and answer.body == (body + b" after 103").strip()


@CREWS
def test_an_answer_that_has_begun_is_ended_as_it_was(shared, threads):
    """What is sent by hand stands between the pieces, and the framing is whole."""
    with shared(threads).wire() as wire:
        assert wire.get("/begun", "Connection: close").body == b"one raw two"


@CREWS
def test_an_answer_that_has_begun_and_reads(shared, threads):
    with shared(threads).wire() as wire:
        wire.send("GET /begun?reads HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        wire.until(b"raw \r\n")
        wire.send(b"5\r\nread \r\n")
        wire.kept = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + wire.kept
        assert wire.answer().body == b"read two"


@CREWS
@pytest.mark.parametrize("path", ["switched", "switched_generator"])
def test_101_by_start_response(shared, threads, path):
    """The head that Gunicorn makes of it, and the socket behind it."""
    server = shared(threads)
    with server.wire() as wire:
        wire.send(UPGRADE % path)
        status_line, headers = wire.head()
        assert status_line == "HTTP/1.1 101 Switching Protocols"
        assert ("Connection", "upgrade") in headers and ("Upgrade", "websocket") in headers
        assert echoed(wire, b"text")
        wire.send(b"end\n")
        assert server.kind == "gunicorn" or wire.closed()  # Gunicorn waits for another request with threads


@CREWS
@pytest.mark.gosrv_only("Gunicorn writes a head for what the generator yields")
def test_a_generator_goes_on_by_being_asked(shared, threads):
    with opened(shared(threads), "generator") as wire:
        assert echoed(wire, b"one") and echoed(wire, b"two")
        wire.send(b"end\n")
        assert wire.closed()


@CREWS
def test_the_end_comes_with_close(serve, threads, tmp_path):
    """The client of an application that closes its socket does not wait for the end of the request."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = serve(threads)
    with opened(server, "closes_early?stop&fifo=%s" % fifo) as wire:
        assert wire.closed() and "OVER closes_early" not in server.log
    fifo.write_bytes(b".")
    server.wait_log("OVER closes_early")


@CREWS
def test_detached_it_outlives_the_request(shared, threads):
    server = shared(threads)
    with opened(server, "by_detach?stop") as wire:
        server.wait_log("OVER by_detach")
        assert server.get("/").text == "hello" and echoed(wire, b"text")
        wire.send(b"end\n")
        assert wire.closed()


@CREWS
def test_two_threads_use_it_first(shared, threads):
    with opened(shared(threads), "by_two_threads?stop&quiet") as wire:
        assert wire.rest() == b"1 socket\n"


@CREWS
def test_what_is_left_of_it_is_a_closed_socket(shared, threads):
    """OSError, as every caller of a socket expects, never another exception; closing it again is nothing."""
    server = shared(threads)
    with opened(server, "kept_for_later?stop") as wire:
        assert wire.closed()
    assert server.get("/kept").text == "recv: errno 9\nsendall: errno 9\ngetpeername: errno 9\nfileno: -1\nclose: None\n"


@CREWS
def test_hooks_see_the_request(serve, threads, tmp_path):
    conf = tmp_path / "conf.py"
    conf.write_text("def post_request(worker, req, environ, resp):\n    worker.log.info('POST %s %s', req.path, resp.status)\n")
    server = serve(threads, "--config", conf, "--access-logfile", "-")
    with opened(server, "by_recv?stop") as wire:
        wire.send(b"end\n")
        assert wire.closed()
    server.wait_log("POST /by_recv None")
    assert "/by_recv" not in server.out and "Traceback" not in server.log


@pytest.mark.gosrv_only("Gunicorn takes it for an end by the application, and says nothing")
@pytest.mark.parametrize("threads", [1, 4])
def test_stop_iteration_of_an_application_that_has_no_socket(serve, threads):
    server = serve(threads)
    assert server.get("/stop").status_code == 500
    server.wait_log("StopIteration")


@CREWS
@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_goes(serve, threads, how):
    server = serve(threads)
    before = descriptors(server)
    for _ in range(5):
        wire = opened(server, "by_recv?stop")
        if how == "reset":
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.sock.close()
    server.wait_log("OVER by_recv", count=5)
    # fewer, if the look before met a connection on its way out
    wait_for(lambda: descriptors(server) <= before, lambda: "the descriptors of before: %d, not %d" % (before, descriptors(server)))
    assert "Traceback" not in server.log


@pytest.mark.matrix
@CREWS
def test_descriptors_stay_as_many(serve, threads):
    server = serve(threads)
    for path in ("by_recv?stop", "by_makefile?value", "generator", "looks", "is_gone", "begun", "by_with?stop", "by_two_threads?stop&quiet"):
        before = descriptors(server)
        for _ in range(5):
            with server.wire() as wire:
                wire.send((UPGRADE % path).encode())
                wire.finish_sending()
                wire.rest()
        wait_for(lambda: descriptors(server) <= before, lambda: "%s: %d descriptors, not %d" % (path, descriptors(server), before))


@pytest.mark.gosrv_only("Gunicorn's sync worker is killed by --timeout")
@pytest.mark.parametrize("args", [(1, "--timeout", "1", "--workers", "2"), (1, "--timeout", "1"), (4, "--timeout", "1", "--request-timeout", "1")],
                         ids=["sync", "sync-alone", "threads"])
def test_it_takes_as_long_as_it_likes(serve, args):
    server = serve(*args)
    pids, second = server.worker_pids(), "by_peek" if harness.worker_class() else "by_descriptor"
    with opened(server, "by_recv?stop") as wire, opened(server, second + "?stop") if len(args) > 3 else server.wire() as other:
        # longer than --timeout, and than the two seconds after which the master judges for itself
        ended = threading.Event()
        assert not ended.wait(4.5)
        assert echoed(wire, b"text") and server.worker_pids() == pids
        wire.send(b"end\n")
        assert wire.closed()
        if len(args) > 3:
            assert echoed(other, b"text")
            other.send(b"end\n")
            assert other.closed()
    assert "TIMEOUT" not in server.log


@pytest.mark.gosrv_only("Gunicorn's sync worker stays in the request until it is killed")
@CREWS
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_drain_waits_for_it(serve, threads, sig):
    server = serve(threads, "--graceful-timeout", "60")
    pids = server.wait_workers(1)
    with opened(server, "by_recv?stop") as wire:
        server.send_signal(sig)
        if sig == signal.SIGHUP:
            server.wait_workers(2)
            assert server.get("/").text == "hello"
        else:
            server.wait_log("Handling signal: term")
        assert echoed(wire, b"still there")
        wire.send(b"end\n")
        assert wire.closed()
    if sig == signal.SIGHUP:
        server.wait_workers(1, without=pids)
    else:
        assert server.wait_end() == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_a_drain_does_not_wait_longer_than_it_may(serve, threads):
    server = serve(threads, "--graceful-timeout", "1", balance=False)
    with opened(server, "by_recv?stop") as wire:
        server.send_signal(signal.SIGTERM)
        assert wire.closed()
        assert server.wait_end() == 0


@pytest.mark.gosrv_only("Gunicorn counts open connections")
def test_it_counts_as_a_request(serve):
    """worker_connections: with two taken over, a third one waits in the queue until one has ended."""
    server = serve(1 if harness.worker_class() else 4, "--worker-connections", "2")
    with opened(server, "by_recv?stop") as first, opened(server, "by_recv?stop") as second, server.wire() as third:
        third.send("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        third.sock.settimeout(0.5)
        with pytest.raises(socket.timeout):
            third.sock.recv(1)
        third.sock.settimeout(15)
        first.send(b"end\n")
        assert first.closed() and third.answer().body == b"hello" and echoed(second, b"text")


@pytest.mark.gosrv_only("Gunicorn's sync worker keeps no connection")
def test_a_connection_that_another_worker_got_is_taken_over(serve):
    """The worker of a kept connection is busy with one that was taken over: the other one takes this one over, too."""
    server = serve(1, "--workers", "2")
    server.wait_workers(2)
    with server.wire() as wire, server.wire() as same:
        home = wire.get("/pid").body
        while same.get("/pid").body != home:
            same.__init__(server.address)
        with opened(server, "by_recv?stop", wire=same):
            with opened(server, "by_recv?stop", wire=wire):
                assert echoed(wire, b"one") and echoed(same, b"two")
                wire.send(b"end\n")
                assert wire.closed()
            same.send(b"end\n")
            assert same.closed()


@CREWS
def test_its_worker_dies(serve, threads):
    """Nobody else holds the connection open."""
    server = serve(threads, balance=False)
    pid = server.wait_workers(1)[0]
    with opened(server, "by_recv?stop") as wire:
        procs.kill(pid)
        assert wire.closed()
