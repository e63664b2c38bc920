"""A URL that kills its worker each time costs its own client an answer, and the others no more than the price of a start."""
import signal
import threading

import pytest

import harness
import poison
import procs
from masters import order
from waiting import wait_for

OWN = pytest.mark.gosrv_only("Gunicorn has no zygote, stops for a hook that raises, and does not count")
CLASSES = [(), ("--preload",), ("--threads", "4"), pytest.param(("--reuse-port",), marks=pytest.mark.gosrv_only("Gunicorn's workers bind by themselves"))]
# Well above what a start of the small application takes on a machine that is busy, and below the pauses of a crash loop.
PATIENCE = 6 if harness.worker_class() else 1.5  # four that import gevent at once

BREAKS_IN = """
import os

def %(hook)s:
    if os.path.exists(%(told)r):
        os.write(2, b"TRIED\\n")
        raise RuntimeError("told to raise")
    os.write(2, b"PASSED\\n")
"""

MEMORY_REFUSED = """
import os, resource

def post_fork(server, worker):
    if os.path.exists(%(told)r):
        os.write(2, b"TRIED\\n")
        resource.setrlimit(resource.RLIMIT_DATA, (16 << 20, 16 << 20))
    os.write(2, b"PASSED\\n")
"""


@pytest.mark.matrix
@pytest.mark.parametrize("args", CLASSES, ids=" ".join)
def test_others_wait_no_longer_than_a_start_takes(start, args):
    server = start("crashing", "-w", "2", *args, balance=False)
    server.wait_workers(2)
    with poison.Others(server.address) as others:
        poison.poison(server.address, b"/sigkill", 12, every=0.1)
    assert not others.strange
    assert others.worst() < PATIENCE, others.figures()


@pytest.mark.parametrize("path", [b"/sigkill", b"/os_exit?1", b"/abort"])
@pytest.mark.parametrize("args", [(), ("--preload",)], ids=" ".join)
def test_a_lone_worker_is_replaced_at_once_every_time(start, path, args):
    server = start("crashing", "-w", "1", *args, balance=False)
    with poison.Others(server.address, clients=1, pause=0) as others:
        for n in range(10):
            assert poison.ask(server.address, path) == b""
            wait_for(lambda: len(others.waits) > n, "an answer of the next worker", PATIENCE * 4)
    assert others.worst() < PATIENCE, others.figures()


def test_the_first_request_of_all_may_kill(start):
    server = start("crashing", "-w", "2", balance=False, ready=None)
    for _ in range(4):
        assert poison.ask(server.address, b"/sigkill") == b""
    assert server.get().status_code == 200
    server.wait_workers(2)


def test_all_workers_at_once_again_and_again(start):
    server = start("crashing", "-w", "4", "--pid", "DIR/pid", balance=False)
    with poison.Others(server.address) as others:
        for _ in range(8):
            if server.kind == "gosrv":  # one that is killed before it is ready is followed after a pause
                wait_for(lambda: "4 of 4 ready" in order("status", "--pid", server.dir / "pid").stdout, "four that are ready")
            pids = server.wait_workers(4)
            for pid in pids:
                procs.kill(pid)
            wait_for(lambda: not set(server.worker_pids()) & set(pids), "the end of all four")
    assert others.worst() < PATIENCE, others.figures()


@OWN
def test_the_log_counts_the_deaths_and_names_the_request(start):
    server = start("crashing", "-w", "2", balance=False)
    for _ in range(5):
        poison.ask(server.address, b"/sigkill")
    server.wait_log(r"\[ERROR\] Workers? \d(, \d)* died 3 times in the last minute, last request GET /sigkill")
    server.wait_log(r"\[ERROR\] Workers? \d(, \d)* died 5 times in the last minute, last request GET /sigkill", timeout=20)
    assert server.log.count("in the last minute") == 2


@OWN
@pytest.mark.parametrize("args", [(), ("--preload",), ("--threads", "4")], ids=" ".join)
def test_a_reload_comes_to_its_end_while_a_url_kills(start, args):
    server = start("crashing", "-w", "3", *args, balance=False)
    over = threading.Event()

    def killing():
        while not over.is_set():
            poison.ask(server.address, b"/sigkill")

    killer = threading.Thread(target=killing)
    killer.start()
    try:
        for generation in (2, 3):
            server.send_signal(signal.SIGHUP)
            server.wait_log("Generation %d serves" % generation, timeout=30)
    finally:
        over.set()
        killer.join()
    assert server.get().status_code == 200


@OWN
@pytest.mark.parametrize("config", [BREAKS_IN.replace("%(hook)s", hook) for hook in ("pre_fork(server, worker)", "post_fork(server, worker)", "post_worker_init(worker)")] + [MEMORY_REFUSED],
                         ids=["pre_fork", "post_fork", "post_worker_init", "memory"])
def test_who_cannot_become_ready_is_tried_in_pauses(start, tmp_path, config):
    told = tmp_path / "told"
    conf = tmp_path / "conf.py"
    conf.write_text(config % {"told": str(told)})
    server = start("crashing", "-w", "2", "-c", conf, balance=False)
    pids = server.wait_workers(2)
    server.wait_log("PASSED", count=2)  # the second may be at its start still
    told.touch()
    procs.kill(pids[0])
    server.wait_log("next one is started in 1.6s", timeout=40)
    tried = server.log.count("TRIED")
    assert 4 <= tried <= 8, "a pause after each attempt, twice as long as the one before"
    with server.wire() as wire:
        assert int(wire.get("/", "Connection: close").body) == pids[1], "the other one serves on"
    told.unlink()
    server.wait_workers(2, without=pids[:1], timeout=30)
    assert server.get().status_code == 200


@OWN
@pytest.mark.parametrize("args", [(), ("--preload",)], ids=" ".join)
def test_zygotes_that_die_one_after_the_other_are_replaced_at_once(start, args):
    server = start("crashing", "-w", "2", *args, balance=False)
    workers = server.wait_workers(2)
    for n in range(5):
        zygote = server.zygotes()[-1].pid
        procs.kill(zygote)
        server.wait_log(r"Zygote \(pid:%d\) was sent SIGKILL\n.*started again at once" % zygote)
        server.wait_log(r"Zygote \(pid:\d+\) of generation 1 is ready", count=n + 1)
    procs.kill(workers[0])
    server.wait_workers(2, without=workers[:1])
    assert server.get().status_code == 200


def test_a_reload_beside_a_kill_of_every_worker(start):
    """Whoever is killed at the same moment, old or new, the server ends up with its number of workers."""
    server = start("crashing", "-w", "2", balance=False)
    for _ in range(3):
        before = server.wait_workers(2)
        server.send_signal(signal.SIGHUP)
        for pid in before:
            procs.kill(pid)
        wait_for(lambda: not set(server.worker_pids()) & set(before), "other workers")
        if server.kind == "gosrv":
            wait_for(lambda: server.log.count("Handling signal: hup") <= server.log.count("serves\n"), "the end of the reload", 30)
        assert server.get().status_code == 200
        server.wait_workers(2)
