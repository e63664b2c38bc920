"""TERM stops gracefully, INT and QUIT quickly, a second Ctrl-C at once; a running request is never cut by TERM."""
import os
import signal
import threading

import pytest

import procs
from waiting import wait_for


def in_background(work):
    """Run work() in a thread; the returned function joins it and gives its result."""
    box = {}

    def run():
        try:
            box["value"] = work()
        except BaseException as failure:
            box["failure"] = failure

    thread = threading.Thread(target=run)
    thread.start()

    def result(timeout=30):
        thread.join(timeout)
        assert not thread.is_alive(), "still running"
        if "failure" in box:
            raise box["failure"]
        return box["value"]

    return result


@pytest.fixture
def gated(start, tmp_path):
    """A server whose /gate request lasts until open_gate() is called."""
    gate = tmp_path / "gate"

    def make(*args, **kw):
        server = start("sleeping", *args, env={"GATE": gate}, **kw)
        server.open_gate = gate.touch
        return server

    return make


@pytest.mark.matrix
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda s: s.name)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_idle_server_stops(start, sig, workers):
    server = start("hello", "-w", workers)
    server.send_signal(sig)
    assert server.wait_end() == 0
    assert "Handling signal: " + sig.name[3:].lower() in server.log
    assert "Shutting down: Master" in server.log


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT], ids=lambda s: s.name)
def test_a_signal_to_the_whole_group_stops_in_order(start, sig):
    """What Ctrl-C, a terminal that goes away, and process managers do."""
    server = start("hello", "-w", "2")
    server.wait_workers(2)
    server.signal_group(sig)
    assert server.wait_end() == 0
    assert "Traceback" not in server.log


def test_two_ctrl_c_do_not_hang(gated):
    server = gated("--graceful-timeout", "60", balance=False)
    asked = in_background(lambda: server.wire().send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n").rest())
    server.wait_log("BEGIN")
    server.signal_group(signal.SIGINT)
    server.wait_log("Handling signal: int")
    try:
        server.signal_group(signal.SIGINT)
    except ProcessLookupError:
        pass  # the first one was enough meanwhile
    server.wait_end(15)
    asked()


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_term_lets_the_running_request_finish(gated, args):
    server = gated(*args)
    asked = in_background(lambda: server.get("/gate"))
    server.wait_log("BEGIN")
    server.send_signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    server.open_gate()
    answer = asked()
    assert answer.status_code == 200 and answer.text.startswith("slept")
    assert server.wait_end() == 0
    if server.balance:
        server._balanced([])


def test_graceful_timeout_ends_a_request_that_does_not(gated):
    server = gated("--graceful-timeout", "1", balance=False)
    asked = in_background(lambda: server.wire().send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n").rest())
    server.wait_log("BEGIN")
    server.send_signal(signal.SIGTERM)
    server.wait_end(15)
    asked()


def test_int_during_a_graceful_stop_makes_it_quick(gated):
    server = gated("--graceful-timeout", "60", balance=False)
    asked = in_background(lambda: server.wire().send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n").rest())
    server.wait_log("BEGIN")
    server.send_signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    server.send_signal(signal.SIGINT)
    server.wait_end(15)
    asked()


@pytest.mark.gosrv_only("Gunicorn's sync worker holds no idle connection")
def test_idle_connections_do_not_hold_a_stop(start):
    server = start("hello", "-w", "2")
    wires = []
    for _ in range(10):
        wires.append(server.wire())
        wires[-1].get("/")
    server.send_signal(signal.SIGTERM)
    assert server.wait_end(10) == 0
    for wire in wires:
        assert wire.closed()


@pytest.mark.gosrv_only("Gunicorn's sync worker resets queued connections at a stop")
def test_connections_made_before_a_stop_are_answered(gated):
    server = gated()
    running = in_background(lambda: server.get("/gate"))
    server.wait_log("BEGIN")
    queued = [in_background(lambda: server.get("/quick")) for _ in range(5)]
    inode = wait_for(lambda: accepted(server.port) >= 6, "six established connections")
    assert inode
    server.send_signal(signal.SIGTERM)
    server.wait_log("Handling signal: term")
    server.open_gate()
    assert running().status_code == 200
    assert [one().status_code for one in queued] == [200] * 5
    assert server.wait_end() == 0


def accepted(port):
    """How many established TCP connections the kernel has for a local port, accepted by the server or not yet."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(1 for row in rows if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port)


def test_the_pid_file_is_there_while_the_server_is(start, tmp_path):
    path = tmp_path / "app.pid"
    server = start("hello", "--pid", path)
    assert int(path.read_text()) == server.pid
    server.stop()
    assert not path.exists()


@pytest.mark.gosrv_only("looks at the zygote")
def test_the_zygote_ignores_the_terminals_signals(start):
    server = start("hello")
    zygote = server.zygotes()[0].pid
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        os.kill(zygote, sig)
    worker = server.wait_workers(1)[0]
    procs.kill(worker)
    server.balance = False
    server.wait_workers(1, without=[worker])
    assert procs.alive(zygote) and server.zygotes()[0].pid == zygote
    assert server.get().text == "hello app"


def test_stop_during_start(start):
    """TERM right after the sockets are bound: an ordered end, whatever the workers were doing."""
    server = start("hello", "-w", "4", ready=None, balance=False)
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
