"""--timeout and --request-timeout: the client gets an answer, the log says where the application stands, the worker is replaced."""
import collections
import re
import signal
import threading

import pytest

import share
from waiting import wait_for
from wire import Closed

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn closes the connection without an answer, and logs no stack"),
    pytest.mark.not_green("test_green_timeouts has it"),
]

LATE = r"WORKER TIMEOUT \(pid:(\d+)\): GET /%s from 127\.0\.0\.1:\d+, running for [\d.]+s; %s"


def stacks(log, pid):
    """The stacks that the log has of a worker, from their line to the next line of the log."""
    return re.findall(r"Python stacks of the worker \(pid:%d\):\n(.*?)(?=^\[|\Z)" % pid, log, re.S | re.M)


def answers_again(server):
    """A worker serves, whichever; the one that was stuck is on its way out or gone."""

    def ask():
        try:
            with server.wire() as wire:
                return wire.get("/", "Connection: close").status == 200
        except (OSError, Closed):
            return False

    wait_for(ask, "an answer by the next worker", 30)


@pytest.mark.matrix
@pytest.mark.parametrize("args", [("--timeout", "2"), ("--threads", "3", "--request-timeout", "2")], ids=["sync", "threads"])
@pytest.mark.parametrize("where", ["sleep", "loop", "regex", "gil"])
def test_a_stuck_request_is_answered_and_explained(start, where, args):
    server = start(*args, "stuck", balance=False)
    with server.wire(timeout=60) as wire:
        answer = wire.get("/" + where)
        assert answer.status_line == "HTTP/1.1 504 Gateway Timeout" and answer.get("Connection") == "close"
        pid = int(server.wait_log(LATE % (where, "answered 504"))[0].group(1))
        with pytest.raises((Closed, ConnectionResetError)):
            wire.answer()  # nothing of the call's own comes after it
    server.wait_log(r"File \".*stuck\.py\", line \d+ in %s$" % where)
    text = stacks(server.log, pid)[0]
    late = [block for block in text.split("\n\n") if "which is late" in block.split("\n")[0]]
    assert len(late) == 1 and re.search(r"stuck\.py\", line \d+ in %s$" % where, late[0], re.M), text
    assert re.search(r"stuck\.py\", line \d+ in waits_in_the_background$", text, re.M), text
    wait_for(lambda: pid not in server.worker_pids(), "the end of the stuck worker", 60)
    answers_again(server)


@pytest.mark.parametrize("where", ["sleep", "gil"])
def test_the_gil_is_what_timeout_limits_with_threads(start, where):
    server = start("--threads", "3", "--timeout", "2", "stuck", balance=False)
    pids = server.wait_workers(1)
    with server.wire(timeout=60) as wire:
        if where == "gil":
            assert wire.get("/gil").status == 504
            server.wait_log(r"WORKER TIMEOUT \(pid:%d\): nobody could take the GIL for 2\.0s" % pids[0])
            server.wait_log(LATE % ("gil", "answered 504"))
            server.wait_workers(1, without=pids, timeout=60)
        else:
            wire.send("GET /around?4.5 HTTP/1.1\r\nHost: t\r\n\r\n")
            assert wire.answer().status == 200
            assert server.worker_pids() == pids and "WORKER TIMEOUT" not in server.log


def test_a_stuck_request_is_found_although_other_threads_are_busy(start):
    server = start("--threads", "3", "--request-timeout", "4", "--graceful-timeout", "60", "stuck", balance=False)
    over, statuses = threading.Event(), collections.Counter()

    def others():
        while not over.is_set():
            with server.wire(timeout=60) as wire:
                statuses[wire.get("/around?0.01", "Connection: close").status] += 1

    runners = [threading.Thread(target=others) for _ in range(2)]
    for runner in runners:
        runner.start()
    try:
        pids = server.wait_workers(1)
        with server.wire(timeout=60) as wire:
            assert wire.get("/sleep").status == 504
        server.wait_workers(1, without=pids, timeout=60)
    finally:
        over.set()
        for runner in runners:
            runner.join()
    assert list(statuses) == [200], statuses


def test_an_answer_that_has_begun_gets_no_other(start):
    server = start("--timeout", "2", "stuck", balance=False)
    with server.wire(timeout=60) as wire:
        wire.send("GET /begun HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.until(b"\r\n\r\nabc")
        server.wait_log(LATE % ("begun", "its answer had begun"), timeout=60)
        with pytest.raises((Closed, ConnectionResetError)) as end:
            wire.until(b"HTTP/1.1")
        assert not getattr(end.value, "got", b"")
    answers_again(server)


def ask_around(server, seconds, count):
    """So many requests at once that come back around the limit; returns how they were answered, once each."""
    lines = []

    def ask():
        with server.wire(timeout=60) as wire:
            wire.send("GET /around?%s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % seconds)
            try:
                while True:
                    wire.more()
            except (Closed, ConnectionResetError):
                lines.append(re.findall(rb"HTTP/1\.1 (\d+) ", wire.kept))

    runners = [threading.Thread(target=ask) for _ in range(count)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert len(lines) == count and all(one in ([b"200"], [b"504"]) for one in lines), lines
    return collections.Counter(one[0].decode() for one in lines)


LIMIT = ["--threads", "40", "--request-timeout", "1", "--worker-connections", "1000", "stuck"]


def test_requests_at_the_limit_get_one_answer(start):
    server = start("-w", "2", *LIMIT, balance=False)
    counts = ask_around(server, 1, 60)
    assert sum(counts.values()) == 60


@pytest.mark.soak
def test_ten_thousand_requests_at_the_limit_get_one_answer(start):
    server = start("-w", "2", *LIMIT, balance=False)
    counts = collections.Counter()
    while sum(counts.values()) < share.of(10_000):
        counts += ask_around(server, 1, 80)
    print(counts)
    assert min(counts["200"], counts["504"]) > 0


def test_the_boot_of_a_worker(start, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    server = start("--timeout", "2", "gated_import:app", env={"GATE": gate}, balance=False, ready=None)
    server.wait_log(r"WORKER TIMEOUT \(pid:\d+\): not ready after \d+s; its Python stacks follow", timeout=60)
    server.wait_log(r"gated_import\.py\", line \d+ in wait_at_the_gate$", timeout=60)
    gate.unlink()
    answers_again(server)


HOOK = """
import os, time

def %s(server):
    if os.path.exists(os.environ["GATE"]):
        time.sleep(600)
"""


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["import", "on_starting", "when_ready"])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_a_stuck_zygote_is_explained_and_signals_are_obeyed(start, tmp_path, what, sig):
    gate = tmp_path / "gate"
    gate.touch()
    conf = tmp_path / "conf.py"
    conf.write_text("" if what == "import" else HOOK % what)
    args = ["--preload", "gated_import:app"] if what == "import" else ["hello"]
    server = start("--timeout", "2", "-c", conf, *args, env={"GATE": gate}, balance=False, ready=None, listens=False)
    name = "the import of gated_import:app" if what == "import" else "the hook " + what
    server.wait_log(r"ZYGOTE TIMEOUT \(pid:\d+\): %s takes more than \d+s; its Python stacks follow" % name, timeout=60)
    place = "wait_at_the_gate" if what == "import" else what
    server.wait_log(r"^  File \".*\.py\", line \d+ in %s$" % place, timeout=60)
    if sig == signal.SIGTERM:
        server.send_signal(sig)
        assert server.wait_end() == 0
        return
    gate.unlink()
    server.send_signal(sig)
    server.wait_log("Booting worker with pid", timeout=60)
    server.listens()
    answers_again(server)
