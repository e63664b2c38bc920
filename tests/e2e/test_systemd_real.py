"""The example units under a real systemd: `make containers`."""
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

import harness
import systemd_machine
from waiting import wait_for

BASE = os.environ.get("GOSRV_IMAGE_SYSTEMD")
pytestmark = [
    pytest.mark.containers,
    pytest.mark.gosrv_only("the units are gosrv's"),
    pytest.mark.not_green("units are what it is about"),
    pytest.mark.skipif(not BASE, reason="no root with systemd: make containers"),
    pytest.mark.skipif(systemd_machine.missing() is not None, reason=str(systemd_machine.missing())),
]
UNITS = harness.ROOT / "cmd" / "gosrv" / "examples" / "systemd"
APP = """
import os, time
from version import VERSION

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return waits() if environ["PATH_INFO"] == "/wait" else [b"%s by %d" % (VERSION, os.getuid())]

def waits():
    yield b"begun"
    while not os.path.exists("/srv/example/gate"):
        time.sleep(0.01)
    yield b", ended"
"""


class Service:
    """The example, as its comments say how to install it; the units are copied unchanged."""

    def __init__(self, machine):
        self.machine = machine
        root = machine.root
        app = root / "srv/example/app"
        (app / "example").mkdir(parents=True)
        (app / "example/__init__.py").touch()
        (app / "example/wsgi.py").write_text(APP)
        subprocess.run(["chroot", str(root), "/usr/bin/python3", "-m", "venv", "--without-pip", "/srv/example/venv"], check=True)
        shutil.copy(harness.binary(), root / "srv/example/venv/bin/gosrv")
        for name in ("example.service", "example.socket"):
            shutil.copy(UNITS / name, root / "etc/systemd/system")
        self.version = root / "srv/example/app/version.py"
        self.release("one")
        machine.boot()

    def release(self, version):
        self.version.write_text("VERSION = b%r\n" % version)

    def control(self, *words):
        return self.machine.run("systemctl", "--no-pager", *words)

    def show(self, name):
        return self.control("show", "--value", "--property", name, "example.service").stdout.strip()

    def strike(self, name):
        """A signal for the master alone."""
        done = self.control("kill", "--kill-whom", "main", "--signal", name, "example.service")
        assert done.returncode == 0, done.stderr

    def log(self):
        return self.machine.run("journalctl", "--no-pager", "--output", "cat", "--unit", "example.service").stdout

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(str(self.machine.path("/run/example.sock")))
        return client

    def get(self, path="/"):
        with self.connect() as client:
            client.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
            return rest(client).partition(b"\r\n\r\n")[2]


def rest(client):
    said = b""
    while more := client.recv(65536):
        said += more
    return said


@pytest.fixture
def service():
    machine = systemd_machine.Machine(BASE)
    try:
        yield Service(machine)
    finally:
        machine.end()


def test_a_life(service):
    started = service.control("enable", "--now", "example.socket", "example.service")
    assert started.returncode == 0, started.stderr + service.log()
    assert service.show("ActiveState") == "active" and "2 workers" in service.show("StatusText")
    assert service.get() == b"one by 33"
    pid = service.show("MainPID")
    assert "Booting worker" in service.log()

    service.release("two")
    assert service.control("reload", "example").returncode == 0
    assert service.get() == b"two by 33" and service.show("MainPID") == pid

    service.version.write_text("raise RuntimeError('broken')\n")
    service.control("reload", "example")
    assert service.get() == b"two by 33" and service.show("MainPID") == pid and service.show("ActiveState") == "active"
    assert "failed" in service.show("StatusText"), service.show("StatusText")
    done = service.machine.run("/srv/example/venv/bin/gosrv", "reload", "--pid", "/run/example/pid")
    assert done.returncode == 1 and "serves on with the old code" in done.stderr

    # A master that is killed is started again; whoever comes meanwhile waits in the socket.
    service.release("three")
    service.strike("KILL")
    wait_for(lambda: service.get() == b"three by 33", lambda: service.control("status", "example").stdout + service.log(), 20)
    wait_for(lambda: service.show("ActiveState") == "active" and service.show("MainPID") not in ("0", pid), service.log, 60)
    assert service.show("NRestarts") == "1"


def stops(service, terms):
    """A stop with a request under way, whose TERM is the one of that number."""
    with service.connect() as client:
        client.sendall(b"GET /wait HTTP/1.0\r\n\r\n")
        said = b""
        while b"begun" not in said:
            said += client.recv(4096)
        service.control("stop", "--no-block", "example.service")
        wait_for(lambda: service.log().count("Handling signal: term") == terms, service.log, 30)
        service.machine.path("/srv/example/gate").touch()
        assert rest(client).endswith(b", ended")
    wait_for(lambda: service.show("ActiveState") == "inactive", lambda: service.show("ActiveState"), 60)
    assert service.show("Result") == "success", service.control("status", "example").stdout + service.log()


def test_a_stop_waits_and_a_restart_refuses_nobody(service):
    assert service.control("start", "example.service").returncode == 0, service.log()
    failures, over, answers = [], threading.Event(), [0]

    def ask():
        while not over.is_set():
            try:
                answer = service.get()
                answers[0] += 1
                if answer != b"one by 33":
                    failures.append(answer)
            except OSError as why:
                failures.append(why)

    client = threading.Thread(target=ask)
    client.start()
    wait_for(lambda: answers[0] > 5, "answers")
    assert service.control("restart", "example.service").returncode == 0
    mark = answers[0]
    wait_for(lambda: answers[0] > mark + 5, "answers")
    over.set()
    client.join()
    assert not failures

    stops(service, 2)
    assert service.control("is-active", "example.socket").stdout == "active\n"
    assert service.get() == b"one by 33", "the socket starts it again"


def upgrade(service):
    old = service.show("MainPID")
    done = service.machine.run("/srv/example/venv/bin/gosrv", "upgrade", "--pid", "/run/example/pid")
    assert done.returncode == 0, done.stderr + service.log()
    wait_for(lambda: service.show("MainPID") not in ("0", old), service.log, 30)
    assert service.show("ActiveState") == "active" and service.get() == b"one by 33"


def test_an_upgrade_is_followed(service):
    """Though systemd sees no child of its own any more: a stop waits for requests, and a death is noticed."""
    assert service.control("start", "example.service").returncode == 0, service.log()
    upgrade(service)
    stops(service, 2)
    assert service.control("start", "example.service").returncode == 0, service.log()
    upgrade(service)
    service.strike("KILL")
    wait_for(lambda: service.show("ActiveState") == "active" and service.show("NRestarts") == "1", lambda: service.control("status", "example").stdout + service.log(), 60)
    assert service.get() == b"one by 33"


def test_a_master_that_stands_still_is_replaced(service):
    place = service.machine.path("/etc/systemd/system/example.service.d")
    place.mkdir()
    (place / "soon.conf").write_text("[Service]\nWatchdogSec=2\n")
    service.control("daemon-reload")
    assert service.control("start", "example.service").returncode == 0, service.log()
    old = service.show("MainPID")
    service.strike("STOP")
    wait_for(lambda: service.show("NRestarts") == "1" and service.show("ActiveState") == "active", lambda: service.control("status", "example").stdout + service.log(), 90)
    assert service.show("MainPID") != old and service.get() == b"one by 33"


def test_a_failing_start_is_told(service):
    service.version.write_text("raise RuntimeError('broken from the start')\n")
    assert service.control("start", "example.service").returncode != 0
    assert re.search("broken from the start", service.log())
