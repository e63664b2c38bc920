"""--reuse-port: a listening socket for each worker, kept by the master, so that none of them is ever left alone."""
import signal

import pytest

import procs
from test_reload import site  # noqa: F401
from waiting import wait_for
from wire import Wire

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn's workers make their own sockets, which end with them"),
    pytest.mark.not_green("processes are what it is about"),
]

PID = """
import os, time
while os.path.exists(%r):
    time.sleep(0.01)
def application(environ, start_response):
    body = b"%%d" %% os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def served(start, site):  # noqa: F811
    gate = site.folder / "gate"
    site.source(PID % str(gate))

    def make(*args, **kw):
        return start("mine", "--reuse-port", *args, cwd=site.folder, balance=False, **kw)

    make.gate = gate
    return make


def listening(port):
    """How many sockets of this machine listen on 127.0.0.1 at the port."""
    with open("/proc/net/tcp") as f:
        return sum(line.split()[1] == "0100007F:%04X" % port and line.split()[3] == "0A" for line in f)


def answers(server, count=60):
    """Who answers so many new connections."""
    found = []
    for _ in range(count):
        with Wire(server.address, timeout=20) as wire:
            found.append(int(wire.get("/", "Connection: close").body))
    return found


def test_each_worker_has_a_socket_of_its_own(served):
    server = served("-w", "3")
    pids = server.wait_workers(3)
    wait_for(lambda: listening(server.port) == 3, lambda: "three sockets, not %d" % listening(server.port))
    wait_for(lambda: set(answers(server)) == set(pids), "an answer from each")


def test_the_number_follows_ttin_and_ttou(served):
    server = served("-w", "1")
    for count, sig in ((2, signal.SIGTTIN), (3, signal.SIGTTIN), (2, signal.SIGTTOU), (1, signal.SIGTTOU)):
        server.send_signal(sig)  # one at a time: two that wait are one
        wait_for(lambda: listening(server.port) == count, lambda: "%d sockets, not %d" % (count, listening(server.port)))
    assert set(answers(server, 10)) == set(server.wait_workers(1))


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_nobody_waits_for_a_worker_that_is_not_there(served, args):
    server = served("-w", "2", *args)
    old = server.wait_workers(2)
    wait_for(lambda: listening(server.port) == 2, "two sockets")
    for victim in (old[1], old[0]):
        served.gate.touch()
        procs.kill(victim)
        rest = [pid for pid in old if pid != victim]
        server.wait_log("Booting worker", count=server.log.count("was sent SIGKILL") + 2)
        wait_for(lambda: not procs.alive(victim), "its end")
        assert set(answers(server)) == set(rest), "the successor is still being imported"
        served.gate.unlink()
        old = server.wait_workers(2)
        wait_for(lambda: set(answers(server)) == set(old), "an answer from each")


def test_sockets_outlive_reloads_and_upgrades(served, tmp_path):
    from masters import Succession

    server = served("-w", "2", "--pid", tmp_path / "pid")
    old = server.wait_workers(2)
    wait_for(lambda: listening(server.port) == 2, "two sockets")
    server.send_signal(signal.SIGHUP)
    old = server.wait_workers(2, without=old)
    assert listening(server.port) == 2
    masters = Succession(server, tmp_path / "pid")
    new = masters.begin()
    server.wait_log(r"The new master \(pid:\d+\) serves")
    masters.end_old(new)
    assert not set(answers(server)) & set(old)
    assert listening(server.port) == 2
    masters.stop()


@pytest.mark.parametrize("ends", ["old", "new"])
def test_a_socket_that_the_other_master_does_not_have_is_served_to_its_end(served, tmp_path, ends):
    """TTIN beside another master makes a socket that is only this one's: what waits in its queue has nobody else."""
    from masters import Succession

    server = served("-w", "1", "--pid", tmp_path / "pid")
    masters = Succession(server, tmp_path / "pid")
    new = masters.begin()
    server.wait_log(r"The new master \(pid:\d+\) serves")
    leaves = server.pid if ends == "old" else new
    before = [p.pid for p in procs.children(leaves)]
    server.send_signal(signal.SIGTTIN, leaves)
    wait_for(lambda: listening(server.port) == 2, "a socket more")
    workers = lambda: [p.pid for p in procs.children(leaves) if p.title.startswith("gosrv: worker") and p.pid not in before]
    late, = wait_for(workers, "its worker")
    procs.kill(late, signal.SIGSTOP)
    wires = [Wire(server.address, 20).send("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n") for _ in range(30)]
    procs.kill(leaves, signal.SIGTERM)
    server.wait_log("Handling signal: term")
    procs.kill(late, signal.SIGCONT)
    assert len([wire.answer().body for wire in wires]) == 30
    if ends == "old":
        assert server.process.wait(20) == 0
        masters.pid = new
    else:
        server.wait_log("Upgrade failed")
    masters.stop()
