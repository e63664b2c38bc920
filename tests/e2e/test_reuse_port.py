"""--reuse-port: a listening socket for each worker, kept by the master, so that none of them is ever left alone."""
import signal

import pytest

import procs
from test_reload import site  # noqa: F401
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.gosrv_only("Gunicorn's workers make their own sockets, which end with them")

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
