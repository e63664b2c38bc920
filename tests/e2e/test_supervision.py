"""Workers and zygotes die, applications break: the service goes on."""
import re
import signal

import pytest

import cgroups
import harness
import procs
from test_reload import site  # noqa: F401
from waiting import wait_for

OWN = pytest.mark.gosrv_only("Gunicorn has no zygote")


def serves_without(server, old):
    """Kill the workers in `old`, and see that one of the others answers: requests of an idle server may all reach one worker."""
    for pid in old:
        procs.kill(pid)
    wait_for(lambda: not any(procs.alive(pid) for pid in old), "the end of %s" % old)
    with server.wire() as wire:
        assert int(wire.get("/", "Connection: close").body) not in old


@pytest.mark.matrix
def test_a_killed_worker_is_replaced(start):
    server = start("crashing", "-w", "2", balance=False)
    old = server.wait_workers(2)
    procs.kill(old[0])
    new = server.wait_workers(2, without=[old[0]])
    assert old[1] in new
    server.wait_log(r"Worker \(pid:%d\) was sent SIGKILL!" % old[0])
    assert server.get().status_code == 200


def test_workers_that_are_killed_again_and_again_are_replaced(start):
    server = start("crashing", "-w", "2", balance=False)
    for _ in range(5):
        pids = server.wait_workers(2)
        for pid in pids:
            procs.kill(pid)
        server.wait_workers(2, without=pids)
    assert server.get().status_code == 200


@pytest.mark.parametrize("path", ["/os_exit?1", "/sigkill", "/segfault"])
def test_a_request_that_kills_its_worker_loses_only_itself(start, path):
    server = start("crashing", "-w", "2", balance=False)
    pids = set(server.wait_workers(2))
    with server.wire() as wire:
        wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
        assert wire.rest() == b""
    wait_for(lambda: set(server.worker_pids()) - pids, "another worker")
    after = set(server.wait_workers(2))
    assert len(after & pids) == 1
    assert server.get().status_code == 200


@pytest.mark.gosrv_only("exit codes 3 and 4 stop all of Gunicorn")
@pytest.mark.parametrize("path", ["/os_exit?3", "/os_exit?4", "/sys_exit?3", "/sys_exit?4"])
def test_no_exit_code_of_a_request_stops_the_server(start, path):
    server = start("crashing", "-w", "2", balance=False)
    server.wait_workers(2)
    with server.wire() as wire:
        wire.send("GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % path)
        got = wire.rest()
    assert got == b"" or got.startswith(b"HTTP/1.1 500")
    server.wait_workers(2)
    assert server.get().status_code == 200


@pytest.mark.matrix
def test_a_segmentation_fault_names_the_applications_line(start):
    server = start("crashing:with_faulthandler", balance=False)
    old = server.wait_workers(1)
    server.get()
    with server.wire() as wire:
        wire.send("GET /segfault HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.rest()
    server.wait_log("Fatal Python error: Segmentation fault")
    server.wait_log(r'File ".*crashing\.py", line \d+ in fall_over')
    server.wait_workers(1, without=old)
    assert server.get().status_code == 200


@pytest.mark.gosrv_only("an import error at run time stops all of Gunicorn")
def test_a_crash_loop_backs_off_while_the_healthy_serve(start, tmp_path):
    crash = tmp_path / "crash"
    server = start("crash_if_told", "-w", "2", env={"CRASH": crash}, balance=False)
    pids = server.wait_workers(2)
    server.wait_log("IMPORTED BY", count=2)
    crash.touch()
    procs.kill(pids[0])
    server.wait_log("CRASHING AT IMPORT", count=4, timeout=30)
    for _ in range(50):
        assert int(server.get().text) == pids[1]
    assert len(re.findall("told to crash", server.log)) >= 4, "the traceback is in the log"
    assert server.log.count("CRASHING AT IMPORT") < 30, "it backs off"
    crash.unlink()
    server.wait_workers(2, without=[pids[0]], timeout=30)
    serves_without(server, pids[1:])


@OWN
@pytest.mark.matrix
def test_the_process_tree(start):
    server = start("pids", "-w", "2")
    server.wait_workers(2)
    wait_for(lambda: len(server.zygotes()) == 1, "one zygote")  # a seed counts as one until it has its own title
    assert procs.Proc(server.pid).title.startswith("gosrv: master")
    assert all(proc.ppid == server.pid for proc in server.workers() + server.zygotes())
    assert all(proc.group == server.pid for proc in server.workers() + server.zygotes())


@OWN
@pytest.mark.matrix
def test_a_killed_zygote_is_replaced_and_nothing_is_lost(start):
    server = start("crashing", "-w", "2", balance=False)
    workers = server.wait_workers(2)
    zygote = server.zygotes()[0].pid
    procs.kill(zygote)
    for _ in range(20):
        assert int(server.get().text) in workers
    wait_for(lambda: [p for p in server.zygotes() if p.pid != zygote], "another zygote", 20)
    assert server.worker_pids() == workers
    procs.kill(workers[0])
    server.wait_workers(2, without=[workers[0]])
    serves_without(server, workers[1:])


@OWN
def test_a_killed_zygote_and_a_killed_worker_at_once(start):
    server = start("crashing", "-w", "2", balance=False)
    workers = server.wait_workers(2)
    procs.kill(server.zygotes()[0].pid)
    procs.kill(workers[0])
    server.wait_workers(2, without=[workers[0]], timeout=30)
    serves_without(server, workers[1:])


@OWN
def test_a_killed_zygote_with_preload(start):
    server = start("pids", "-w", "2", "--preload", balance=False)
    workers = server.wait_workers(2)
    zygote = server.zygotes()[0].pid
    procs.kill(zygote)
    wait_for(lambda: [p for p in server.zygotes() if p.pid != zygote], "another zygote", 20)
    procs.kill(workers[0])
    server.wait_workers(2, without=[workers[0]])
    assert server.get().status_code == 200


@OWN
def test_a_killed_master_takes_everything_with_it(start):
    server = start("hello", "-w", "2", balance=False)
    server.wait_workers(2)
    procs.kill(server.pid)
    server.process.wait(10)
    wait_for(lambda: not procs.group(server.pid), lambda: "the end of %s" % procs.group(server.pid), 20)
    server.stopped = True


def test_max_requests_recycles_workers_without_losing_a_request(start):
    server = start("crashing", "-w", "2", "--max-requests", "20", balance=False)
    seen = set()

    def four():
        seen.update(int(server.get().text) for _ in range(20))
        return len(seen) >= 4

    wait_for(four, lambda: "answers of four workers, not %s" % seen, 30)


@pytest.mark.gosrv_only("Gunicorn's worker leaves first: with one worker nobody serves until the next one is imported")
@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("--reuse-port",)], ids=["sync", "threads", "reuse-port"])
def test_a_recycled_worker_stays_until_its_successor_is_ready(start, site, args):  # noqa: F811
    gate = site.folder / "gate"
    site.source("import os, time\nwhile os.path.exists(%r): time.sleep(0.01)\n" % str(gate) + open(harness.APPS / "crashing.py").read())
    server = start("mine", "--max-requests", "5", *args, cwd=site.folder, balance=False)
    old, = server.wait_workers(1)
    gate.touch()
    while "Autorestarting" not in server.log:
        assert int(server.get().text) == old
    server.wait_log("Booting worker", count=2)
    for _ in range(20):
        assert int(server.get().text) == old, "somebody answers while the successor is being imported"
    gate.unlink()
    new, = server.wait_workers(1, without=[old])
    assert int(server.get().text) == new


@pytest.mark.gosrv_only("Gunicorn logs Perhaps out of memory? in any case")
def test_the_kernels_kill_is_told_from_an_operators(start):
    """Where this machine lets us make a cgroup, the kernel kills a worker that takes too much; elsewhere there is no counter."""
    group = cgroups.make(96 << 20)
    server = start("crashing", balance=False, program=group.program(harness.command()))
    try:
        pids = server.wait_workers(1)
        procs.kill(pids[0])
        server.wait_log(r"Worker \(pid:%d\) was sent SIGKILL! Perhaps out of memory\?" % pids[0])
        pids = server.wait_workers(1, without=pids)
        if group.path:
            with server.wire() as wire:
                wire.send("GET /memory HTTP/1.1\r\nHost: t\r\n\r\n")
                assert wire.rest() == b""
            server.wait_log(r"Worker \(pid:%d\) was sent SIGKILL! Out of memory: killed by the kernel \(cgroup /\S+: oom_kill \d+ -> \d+\)\. "
                            r"Lost: GET /memory" % pids[0])
            server.wait_workers(1, without=pids)
        server.stop()
    finally:
        group.remove()


def test_a_worker_told_to_end_is_replaced(start):
    server = start("crashing", "-w", "2")
    old = server.wait_workers(2)
    server.send_signal(signal.SIGTERM, old[0])
    server.wait_workers(2, without=[old[0]])
    assert server.get().status_code == 200


def test_ttin_and_ttou_change_the_number_of_workers(start):
    server = start("crashing")
    first = server.wait_workers(1)
    server.send_signal(signal.SIGTTIN)
    two = server.wait_workers(2)
    assert first[0] in two
    server.send_signal(signal.SIGTTOU)
    server.wait_workers(1)
    server.send_signal(signal.SIGTTOU)
    assert server.get().status_code == 200
    assert len(server.wait_workers(1)) == 1


@OWN
def test_descriptors_of_a_worker_are_few_and_stay_so(start):
    server = start("hello")
    pid = server.wait_workers(1)[0]
    for _ in range(5):
        server.get()
    before = procs.open_fds(pid)
    for _ in range(200):
        server.get()
    wait_for(lambda: len(procs.open_fds(pid)) <= len(before), "closed connections to be closed")


SIGNALLED = """
import os, signal, time

def post_worker_init(worker):
    worker_pid = os.getpid()
    if worker.age <= %(workers)d and os.fork() == 0:
        time.sleep(worker.age * 0.0003)
        os.kill(worker_pid, signal.SIGQUIT if worker.age %% 2 else signal.SIGINT)
        os._exit(0)

def worker_int(worker):
    with open(%(seen)r, "a") as f:
        f.write("%%d\\n" %% worker.age)
"""


@pytest.mark.matrix
def test_a_signal_while_go_starts_is_the_applications(start, tmp_path):
    """Between Python's last word and Go's first a signal must not meet Go's own handlers, which end the process."""
    workers, seen = 16, tmp_path / "seen"
    seen.touch()
    conf = tmp_path / "conf.py"
    conf.write_text(SIGNALLED % {"workers": workers, "seen": str(seen)})
    start("hello", "-c", conf, "-w", workers, ready=None, balance=False)
    wait_for(lambda: {int(line) for line in seen.read_text().split()} == set(range(1, workers + 1)),
             lambda: "worker_int of every worker, was: %s" % seen.read_text().split())
