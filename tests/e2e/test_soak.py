"""Minutes of load: what only shows after a while."""
import os
import shutil
import threading
import time

import pytest

import authority
import procs
import share
import test_tls
from waiting import wait_for

pytestmark = pytest.mark.soak


def load(server, seconds, threads=4):
    """Keep-alive requests without pause; returns how many were answered, failing on the first wrong answer."""
    done = time.monotonic() + seconds
    counts, failures = [], []

    def run():
        count = 0
        try:
            with server.wire() as wire:
                while time.monotonic() < done:
                    answer = wire.get("/")
                    assert answer.status == 200
                    count += 1
        except BaseException as failure:
            failures.append(failure)
        counts.append(count)

    runners = [threading.Thread(target=run) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert not failures, failures
    return sum(counts)


@pytest.mark.gosrv_only("Gunicorn has no Go runtime to disturb")
@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["plain", "preload"])
def test_an_alarm_every_millisecond_for_a_minute(start, args):
    """A signal that lands on a goroutine's stack corrupts it: CPython 3.9 sets no SA_ONSTACK by itself."""
    server = start("millisecond_alarm", *args, env={"GOGC": "1"})
    pids = server.worker_pids()
    answered = load(server, share.of(60))
    alarms = int(server.get().text.split()[0])
    assert server.worker_pids() == pids, server.log
    assert answered > share.of(1000) and alarms > share.of(10_000)


def test_memory_does_not_grow(start):
    """Resident memory after a long run is that after a short one, but for a little."""
    server = start("echo_environ")
    pid = server.wait_workers(1)[0]

    def resident():
        with open("/proc/%d/statm" % pid) as f:
            return int(f.read().split()[1]) * 4096

    load(server, share.of(10, 2))
    before = resident()
    load(server, share.of(60))
    assert resident() - before < 4 << 20


def test_many_starts_and_stops_of_workers(start):
    server = start("background_thread", "-w", "2", balance=False)
    for _ in range(share.of(200)):
        pids = server.wait_workers(2)
        server.get()
        for pid in pids:
            procs.kill(pid, 15)
        server.wait_workers(2, without=pids)
    assert "Fatal" not in server.log and "panic" not in server.log


@pytest.mark.gosrv_only("Gunicorn reads the certificate for each connection")
@pytest.mark.plain_only("the certificate is the test's own")
def test_another_certificate_every_second(start, tmp_path):
    """Keep-alive and new connections all the while: none is lost, each new one gets the certificate of the moment, memory and descriptors stay."""
    pair = tuple(shutil.copy(source, tmp_path / name) for source, name in zip(authority.issue("soak", "localhost", "127.0.0.1"), ("cert.pem", "key.pem")))
    server = start("--certfile", str(pair[0]), "--keyfile", str(pair[1]), "--workers", "2", "hello:app", ready=None)
    pids = [server.pid, *server.wait_workers(2)]

    def used():
        return [len(os.listdir("/proc/%d/fd" % pid)) for pid in pids], [int(open("/proc/%d/statm" % pid).read().split()[1]) * 4096 for pid in pids]

    running = test_tls.Load(server)
    before, reloads = None, 0
    end = time.monotonic() + share.of(600, 20)
    while time.monotonic() < end:
        new = test_tls.replace(pair)
        wait_for(lambda: test_tls.shown(server) == new, "the new certificate", 20)
        reloads += 1
        before = before or (used() if reloads >= 5 else None)
    running.stop()
    assert reloads >= share.of(200, 5), reloads
    assert server.log.count("new connections get the new ones") >= reloads and "cannot be used" not in server.log
    wait_for(lambda: max(now - was for now, was in zip(used()[0], before[0])) <= 2, lambda: "descriptors: %s, then %s" % (before[0], used()[0]))
    assert all(now - was < 12 << 20 for now, was in zip(used()[1], before[1])), (before, used())
