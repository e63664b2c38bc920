"""Reload, stop, recycling, more and fewer workers, a killed one: under gevent and eventlet, requests that wait are not lost by any of them. test_loss,
which runs with these classes too, has the requests that come without pause."""
import contextlib
import os
import signal

import pytest

import procs
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.green

WORKER_EXIT = """
import os, time

def worker_exit(server, worker):
    time.sleep(0.1)
    os.write(2, b"\\nWORKER EXIT HAS SLEPT\\n")
"""


@contextlib.contextmanager
def gated(start, tmp_path, *args, count=50):
    """A server with so many requests in it that wait for server.open_gate(); server.answers() checks them all."""
    gate = tmp_path / "gate"
    server = start("sleeping", "--graceful-timeout", "30", "--worker-connections", "1000", *args, env={"GATE": gate}, balance=False)
    with contextlib.ExitStack() as stack:
        wires = []

        def ask(more):
            before = server.log.count("BEGIN")
            for _ in range(more):
                wires.append(stack.enter_context(Wire(server.address, 60)))
                wires[-1].send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n")
            wait_for(lambda: server.log.count("BEGIN") == before + more, "%d that wait" % more, 30)

        def answers():
            gate.touch()
            said = [wire.answer() for wire in wires]
            assert [answer.status for answer in said] == [200] * len(wires)
            return {int(answer.body.split()[-1]) for answer in said}

        server.ask, server.answers = ask, answers
        ask(count)
        yield server


def test_a_reload(start, tmp_path):
    """The old worker answers what waits in it, the new one serves meanwhile."""
    with gated(start, tmp_path, "-w", "1") as server:
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        server.wait_log("Booting worker", count=2)
        new = wait_for(lambda: {pid for pid in server.worker_pids() if pid not in old}, "the new worker").pop()
        wait_for(lambda: server.get("/").text == "slept in %d" % new, "its service")
        assert procs.alive(old[0])
        assert server.answers() == set(old)
        server.wait_workers(1, without=old, timeout=60)


def test_a_stop(start, tmp_path):
    with gated(start, tmp_path, "-w", "2") as server:
        pids = set(server.worker_pids())
        server.send_signal(signal.SIGTERM)
        server.wait_log("Handling signal: term")
        assert server.answers() <= pids
        assert server.wait_end() == 0


def test_recycling(start, tmp_path):
    """A worker at its last request goes on with those that wait in it; the next one serves before they have ended."""
    with gated(start, tmp_path, "-w", "1", "--max-requests", "60", "--max-requests-jitter", "5") as server:
        old = server.worker_pids()

        def renewed():
            server.get("/")
            return [pid for pid in server.worker_pids() if pid not in old]

        new = wait_for(renewed, "the next worker", 30)[0] if server.kind == "gosrv" else None
        if new:
            wait_for(lambda: server.get("/").text == "slept in %d" % new, "its service")
            assert procs.alive(old[0])
        assert server.answers() == set(old)
        wait_for(lambda: server.get("/") and old[0] not in server.worker_pids(), "the old worker's end", 60)


def test_more_workers_and_fewer(start, tmp_path):
    with gated(start, tmp_path, "-w", "1") as server:
        first = server.worker_pids()
        server.send_signal(signal.SIGTTIN)
        second = set(server.wait_workers(2)) - set(first)
        server.wait_log(r"gosrv: worker|Booting worker", count=2)
        server.ask(20)
        server.send_signal(signal.SIGTTOU)
        server.wait_log("Handling signal: ttou")
        wait_for(lambda: server.get("/").text, "a page")
        assert server.answers() <= set(first) | second
        server.wait_workers(1, timeout=60)
        assert server.get("/").status_code == 200


def test_a_killed_worker_takes_along_what_waited_in_it_only(start, tmp_path):
    with gated(start, tmp_path, "-w", "2", count=0) as server:
        victim, other = server.wait_workers(2)
        with contextlib.ExitStack() as stack:
            os.kill(other, signal.SIGSTOP)
            lost = [stack.enter_context(Wire(server.address, 60)) for _ in range(20)]
            for wire in lost:
                wire.send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n")
            wait_for(lambda: server.log.count("BEGIN") == 20, "20 that wait")
            os.kill(other, signal.SIGCONT)
            os.kill(victim, signal.SIGSTOP)
            server.ask(20)
            procs.kill(victim)
            assert [wire.rest() for wire in lost] == [b""] * 20
        assert server.answers() == {other}
        server.wait_workers(2, without=[victim])
        assert server.get("/").status_code == 200


@pytest.mark.gosrv_only("Gunicorn's master kills the worker before that")
@pytest.mark.parametrize("path", ["late", "cleaning"])
def test_what_does_not_end_in_graceful_timeout(start, tmp_path, path):
    """It gets GreenletExit, which it may answer by waiting once more, and a hook that waits works after it."""
    (tmp_path / "conf.py").write_text(WORKER_EXIT)
    server = start("green_late", "-c", tmp_path / "conf.py", "--graceful-timeout", "2", balance=False)
    with Wire(server.address, 60) as wire, Wire(server.address, 60) as beside:
        wire.send("GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
        beside.send("GET /wait?0.5 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for(lambda: server.get("/running").text >= "2", "the request that waits")
        server.send_signal(signal.SIGTERM)
        assert beside.answer().body == b"hello"
        assert server.wait_end() == 0
    server.wait_log("^THROWN GreenletExit$" if path == "late" else "^CLEANED$")
    server.wait_log("^WORKER EXIT HAS SLEPT$")


def test_quit_does_not_wait(start):
    server = start("green_late", "--graceful-timeout", "60", balance=False)
    with Wire(server.address, 60) as wire:
        wire.send("GET /late HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for(lambda: server.get("/running").text == "2", "the request that waits")
        server.send_signal(signal.SIGQUIT)
        assert server.wait_end(20) == 0
