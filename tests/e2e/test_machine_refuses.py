"""Where the machine refuses something (system calls, descriptors): a clear line, and a server that goes on or ends with a reason."""
import os
import signal

import pytest

import harness
import procs
from masters import order
from refusing import machine
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn makes no such calls, or fails otherwise")


def refused(*calls):
    return machine(*calls) + harness.command()


@pytest.mark.matrix
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EACCES"])
def test_without_memory_files_it_serves_all_the_same(start, error):
    """As under an old kernel or a strict seccomp filter: unlinked files do."""
    server = start("hello", "-w", "2", program=refused("memfd_create=" + error))
    links = procs.open_fds(server.pid).values()
    assert not [link for link in links if "memfd" in link] and [link for link in links if "gosrv-scoreboard" in link]
    before = server.worker_pids()
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=before)
    assert server.get().text == "hello app"


@pytest.mark.matrix
def test_without_memory_files_the_rest_works_too(start, tmp_path):
    """Stacks for the log, `gosrv status`, and zygotes from workers each need one."""
    server = start("warming", "--refork-after", "3", "--pid", tmp_path / "pid", program=refused("memfd_create=ENOSYS"), ready=None)
    seen = order("status", "--pid", tmp_path / "pid")
    assert seen.returncode == 0 and str(server.pid) in seen.stdout, seen
    first = server.wait_workers(1)
    for _ in range(5):
        server.get("/")
    wait_for(lambda: server.worker_pids() and not set(server.worker_pids()) & set(first), "a worker of the new zygote", 30)
    wait_for(lambda: not [link for p in server.zygotes() for link in procs.open_fds(p.pid).values() if ".memfile-" in link], "zygotes without the server's memory")


@pytest.mark.parametrize("error, text", [("ENOSYS", "function not implemented"), ("EPERM", "operation not permitted")])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_forbidden_accept_is_said_once(start, error, text, threads):
    server = start("hello", "--threads", threads, program=refused("accept4=" + error), ready=None)
    with server.wire() as first, server.wire() as second:
        server.wait_log(r"\[CRITICAL\] Cannot accept connections at 127.0.0.1:\d+: accept4: " + text)
        [worker] = server.worker_pids()
        before = ticks(worker)
        for wire in first, second:
            wire.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n").sock.settimeout(1.2)
            with pytest.raises(TimeoutError):
                wire.sock.recv(1)
        assert ticks(worker) - before < 60, "it spins"
    assert server.log.count("Cannot accept") == 1
    server.stop()


def ticks(pid):
    """Hundredths of a second on the CPU."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
