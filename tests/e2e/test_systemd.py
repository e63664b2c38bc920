"""What a service manager hears through NOTIFY_SOCKET."""
import os
import signal
import socket
import time

import pytest

from masters import Succession
from test_reload import site  # noqa: F401
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn says READY once, before a worker serves, and nothing else")


class Manager:
    """Receives datagrams, each one as a dict of assignments."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.address = address
        self.heard = []

    def listen(self):
        while True:
            try:
                data = self.socket.recv(4096, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append(dict(line.split("=", 1) for line in data.split("\n")))

    def keys(self):
        return [next(iter(d)) for d in self.listen()]

    def wait(self, *keys):
        """Wait until the first keys of all datagrams so far are these."""
        wait_for(lambda: self.keys() == list(keys), lambda: "%s, heard %s" % (keys, self.heard))
        return self.heard[-1]


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    made = Manager(str(tmp_path / "notify") if request.param == "path" else "@gosrv-test-%d" % os.getpid())
    yield made
    made.socket.close()


def test_the_life_of_a_service(start, manager, site):  # noqa: F811
    gate = site.folder / "gate"
    site.source("import os, time\nwhile not os.path.exists(%r): time.sleep(0.01)\n" % str(gate) + open(site.folder / "mine.py").read())
    server = start("mine", cwd=site.folder, env={"NOTIFY_SOCKET": manager.address}, ready=None, balance=False)
    server.wait_log("Booting worker")
    assert manager.listen() == [], "READY before a worker serves"
    gate.touch()
    ready = manager.wait("READY")
    assert ready["READY"] == "1" and "1 workers" in ready["STATUS"]

    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    server.send_signal(signal.SIGHUP)
    manager.wait("READY", "RELOADING", "READY")
    reloading = manager.heard[1]
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) >= int(before * 1e6)

    site.source("raise RuntimeError('broken')\n")
    server.send_signal(signal.SIGHUP)
    failed = manager.wait("READY", "RELOADING", "READY", "RELOADING", "READY")
    assert "failed" in failed["STATUS"]
    assert server.get().text == "first"

    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert manager.keys()[5:] == ["STOPPING"]


def test_the_main_process_of_an_upgrade(start, manager, site, tmp_path):  # noqa: F811
    server = start("mine", "--pid", tmp_path / "pid", cwd=site.folder, env={"NOTIFY_SOCKET": manager.address}, balance=False)
    masters = Succession(server, tmp_path / "pid")
    new = masters.begin()
    wait_for(lambda: {"MAINPID": str(new)} in manager.listen(), lambda: "MAINPID in %s" % manager.heard)
    os.kill(new, signal.SIGTERM)
    wait_for(lambda: manager.listen()[-1] == {"MAINPID": str(server.pid)}, lambda: "MAINPID taken back in %s" % manager.heard)
    new = masters.begin()
    wait_for(lambda: manager.listen()[-1] == {"MAINPID": str(new)}, "MAINPID")
    masters.end_old(new)
    wait_for(lambda: manager.listen()[-1].get("MAINPID") == str(new) and "READY" in manager.heard[-1], lambda: "READY of the new one in %s" % manager.heard)
    assert "STOPPING" not in manager.keys()
    masters.stop()
    assert manager.keys()[-1] == "STOPPING"


def test_the_watchdog(start, manager):
    server = start("hello", env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"})
    wait_for(lambda: manager.keys().count("WATCHDOG") >= 10, lambda: "signs of life in %s" % manager.heard)
    server.stop()


def test_the_watchdog_of_another_process(start, manager):
    server = start("hello", env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: manager.keys()[-1:] == ["READY"] and len(manager.heard) >= 3, "the reload")
    assert "WATCHDOG" not in manager.keys()


def test_nobody_listens(start, tmp_path):
    server = start("hello", env={"NOTIFY_SOCKET": tmp_path / "nowhere"})
    assert server.get().status_code == 200
