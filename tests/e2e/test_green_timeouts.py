"""A greenlet that computes and a request that waits too long, under gevent and eventlet: who it was is said, and who pays for it."""
import contextlib
import re

import pytest

import test_websockets
from waiting import wait_for
from wire import Closed, Wire

pytestmark = [pytest.mark.green, pytest.mark.matrix]


def asked(server, path):
    wire = Wire(server.address, 60)
    wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
    return wire


@pytest.mark.parametrize("how", ["loop", "blocked"])
def test_a_hub_that_does_not_come_round(start, how):
    """Its worker is replaced. What ran is in the log, and how many requests it has held up."""
    server = start("--timeout", "2", "green_late", balance=False)
    pids = server.wait_workers(1)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(asked(server, "/wait?600")) for _ in range(5)]
        wait_for(lambda: server.get("/running").text == "6", "five that wait")
        stuck = stack.enter_context(asked(server, "/" + how))
        server.wait_log(r"WORKER TIMEOUT \(pid:%d\)" % pids[0], timeout=60)
        server.wait_workers(1, without=pids, timeout=60)
        if server.kind == "gosrv":
            server.wait_log(r"File \".*green_late\.py\", line \d+ in %s$" % how)
            server.wait_log(r"WORKER TIMEOUT \(pid:%d\).*\b5 other requests" % pids[0])
        for wire in [*held, stuck]:
            with pytest.raises((Closed, ConnectionResetError)):
                assert wire.answer().status == 504 and server.kind == "gosrv"
                raise Closed(b"")
    assert server.get("/").text == "hello"


def test_a_greenlet_that_computes_for_less_than_that(start):
    server = start("--timeout", "3", "green_late")
    pids = server.wait_workers(1)
    for _ in range(8):
        assert server.get("/loop_shortly").text == "hello"
    assert server.worker_pids() == pids and "WORKER TIMEOUT" not in server.log


def test_requests_that_wait_longer_than_timeout(start):
    """--timeout is about the worker, and each of these requests gives way."""
    server = start("--timeout", "1", "green_late")
    pids = server.wait_workers(1)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(asked(server, "/wait?3")) for _ in range(10)]
        assert [wire.answer().body for wire in wires] == [b"hello"] * 10
    assert server.worker_pids() == pids and "TIMEOUT" not in server.log


@pytest.mark.gosrv_only("Gunicorn has no such limit")
class TestRequestTimeout:
    @pytest.fixture
    def server(self, start):
        return start("--request-timeout", "2", "green_late", "--keep-alive", "60")

    def test_it_is_answered_explained_and_ended(self, server):
        pids = server.wait_workers(1)
        with asked(server, "/late") as wire, asked(server, "/wait?1") as beside:
            assert beside.answer().body == b"hello"
            answer = wire.answer()
            assert answer.status_line == "HTTP/1.1 504 Gateway Timeout" and answer.get("Connection") == "close"
            with pytest.raises((Closed, ConnectionResetError)):
                wire.answer()
        server.wait_log(r"^THROWN (?!GreenletExit)\w+$")
        server.wait_log("^FINALLY$")
        server.wait_log(r"REQUEST TIMEOUT|running for [\d.]+s")
        text = server.log
        assert re.search(r"GET /late from 127\.0\.0\.1:\d+", text)
        assert re.search(r"green_late\.py\", line \d+,? in late_here$", text, re.M) and re.search(r"green_late\.py\", line \d+,? in late$", text, re.M)
        assert server.worker_pids() == pids
        assert server.get("/running").text == "1"

    def test_many_at_once(self, server):
        pids = server.wait_workers(1)
        with contextlib.ExitStack() as stack:
            late = [stack.enter_context(asked(server, "/late")) for _ in range(50)]
            others = [stack.enter_context(asked(server, "/wait?%f" % (n / 50))) for n in range(50)]
            assert [wire.answer().body for wire in others] == [b"hello"] * 50
            assert [wire.answer().status for wire in late] == [504] * 50
        server.wait_log("^FINALLY$", count=50)
        assert server.worker_pids() == pids and server.get("/running").text == "1"

    def test_an_answer_that_has_begun_gets_no_other(self, server):
        with asked(server, "/begun") as wire:
            wire.head()
            with pytest.raises((Closed, ConnectionResetError)) as end:
                wire.until(b"HTTP/1.1")
            assert getattr(end.value, "got", b"3\r\nabc\r\n") == b"3\r\nabc\r\n"
        server.wait_log("^THROWN (?!GreenletExit)")

    def test_one_that_swallows_the_exception_gets_it_again(self, server):
        with asked(server, "/stubborn") as wire:
            assert wire.answer().status == 504
        server.wait_log(r"^SWALLOWED 3 (?!GreenletExit)\w+$", timeout=30)
        wait_for(lambda: server.get("/running").text == "1", "its end")
        assert server.get("/").text == "hello"

    def test_a_connection_that_is_taken_over_has_no_limit(self, start):
        """Three pings, a second apart, are longer than it."""
        server = start("websockets", "--request-timeout", "1", env={"PING": "1"})
        ws = test_websockets.connect(server, "/echo")
        while ws.pings < 3:
            ws.recv_data_frame(control_frame=True)
        assert test_websockets.echoed(ws, "still there")
        ws.close()
