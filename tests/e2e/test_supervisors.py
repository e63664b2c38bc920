"""supervisor and runit run gosrv as docs/deploy/supervisor.md says: its blocks are carried out, with this test's folder for /srv and /var/log."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

import harness
import pages
import procs
from waiting import wait_for

PAGE = (pages.DOCS / "deploy" / "supervisor.md").read_text()
DEBIAN = "/usr/bin/python3"  # which the user of the examples may read, wherever the tests' own lies
pytestmark = [
    pytest.mark.gosrv_only("the page is gosrv's"),
    pytest.mark.not_green("processes are what it is about"),
    pytest.mark.skipif(os.geteuid() != 0, reason="root only: the examples run as www-data"),
    pytest.mark.skipif(not os.path.exists(DEBIAN), reason="no %s on this machine" % DEBIAN),
]
APP = """
import json, os, time
from version import VERSION

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/wait":
        return waits()
    return [json.dumps({"user": os.getuid(), "version": VERSION, "cwd": os.getcwd()}).encode()]

def waits():
    yield b"begun"
    while not os.path.exists("gate"):
        time.sleep(0.01)
    yield b", ended"
"""


class Site:
    """/srv/myproject, with a virtual environment, and what its log says. The log follows the server through all its lives."""

    def __init__(self, folder):
        self.folder, self.home, self.log_path = folder, folder / "srv" / "myproject", folder / "log" / "myproject.log"
        (self.home / "myproject").mkdir(parents=True)
        self.log_path.parent.mkdir()
        (self.home / "myproject" / "__init__.py").touch()
        (self.home / "myproject" / "wsgi.py").write_text(APP)
        self.release(1)
        subprocess.run([DEBIAN, "-m", "venv", "--without-pip", str(self.home / "venv")], check=True)
        shutil.copy(harness.binary(), self.home / "venv" / "bin" / "gosrv")
        for path in (self.folder, self.folder / "srv", self.home):
            path.chmod(0o755)
        for path in (self.home, self.log_path.parent):
            shutil.chown(path, "www-data", "www-data")

    def release(self, version):
        (self.home / "version.py").write_text("VERSION = %d\n" % version)

    def here(self, text):
        """A block of the page for this folder, and any free port."""
        for old, new in (("/srv/myproject", self.home), ("/var/log/myproject", self.folder / "log" / "myproject"), ("127.0.0.1:8000", "127.0.0.1:0")):
            text = text.replace(old, str(new))
        return text

    @property
    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def connect(self, life):
        """A client of the server's n-th life, once it serves."""
        listening = r"Listening at: http://127.0.0.1:(\d+)"
        wait_for(lambda: self.log.count("Booting worker") >= life and len(re.findall(listening, self.log)) >= life, lambda: self.log, 30)
        return http.client.HTTPConnection("127.0.0.1", int(re.findall(listening, self.log)[life - 1]), timeout=30)

    def facts(self, life=1):
        client = self.connect(life)
        client.request("GET", "/")
        said = json.loads(client.getresponse().read())
        client.close()
        return said


@pytest.fixture
def site():
    folder = Path(tempfile.mkdtemp(prefix="gosrv-e2e-"))
    yield Site(folder)
    shutil.rmtree(folder)


def block(start):
    return next(text for _, text in pages.blocks(PAGE) if text.startswith(start))


def reload(site):
    """By the page's command, as the user of the service."""
    words = next(words for words in pages.commands(PAGE) if words[:2] == ["gosrv", "reload"])
    words = [site.here(word) for word in words]
    return subprocess.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", str(site.home / "venv/bin" / words[0]), *words[1:]],
                          capture_output=True, text=True, timeout=60, env=harness.environment(GOSRV_PYTHON=None))


class Waiting:
    """A request that lasts until finish()."""

    def __init__(self, site, life=1):
        self.gate = site.home / "gate"
        self.client = site.connect(life)
        self.client.request("GET", "/wait")
        self.answer = self.client.getresponse()
        assert self.answer.read(5) == b"begun"

    def finish(self):
        self.gate.touch()
        assert self.answer.read() == b", ended"
        self.client.close()


def during(command):
    """Run it in a thread that is joined by what this gives back."""
    thread = threading.Thread(target=command)
    thread.start()
    return thread.join


# -- supervisor ----------------------------------------------------------------------------------------------------

DAEMON = """
[unix_http_server]
file=HOME/supervisor.sock
[supervisord]
nodaemon=true
user=root
logfile=HOME/supervisord.log
pidfile=HOME/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://HOME/supervisor.sock
[include]
files=HOME/conf.d/*.conf
"""


class Supervisor:
    def __init__(self, site):
        self.config = site.folder / "supervisord.conf"
        self.config.write_text(DAEMON.replace("HOME", str(site.folder)))
        (site.folder / "conf.d").mkdir()
        (site.folder / "conf.d" / "myproject.conf").write_text(site.here(block("; supervisor")))
        self.process = subprocess.Popen(["supervisord", "-c", str(self.config)], cwd="/", env=harness.environment(GOSRV_PYTHON=None),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: "RUNNING" in self.control("status"), lambda: "%s; %s" % (self.control("status"), site.log), 30)

    def control(self, *words):
        return subprocess.run(["supervisorctl", "-c", str(self.config), *words], capture_output=True, text=True, timeout=90).stdout

    def pid(self):
        return int(self.control("pid", "myproject"))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def supervisor(site):
    if not shutil.which("supervisord"):
        pytest.skip("no supervisord on this machine (Debian: supervisor)")
    made = Supervisor(site)
    yield made
    made.close()
    assert not procs.children(made.process.pid)


def test_supervisor_starts_restarts_and_stops(supervisor, site):
    import pwd

    assert site.facts() == {"user": pwd.getpwnam("www-data").pw_uid, "version": 1, "cwd": str(site.home)}
    first = supervisor.pid()
    assert "pid %d" % first in supervisor.control("status")
    assert "Booting worker" in supervisor.control("tail", "myproject")

    os.kill(first, signal.SIGKILL)  # it is started again
    assert site.facts(2)["version"] == 1
    second = supervisor.pid()
    assert second != first

    site.release(2)
    assert "myproject: started" in supervisor.control("restart", "myproject")
    assert site.facts(3)["version"] == 2
    third = supervisor.pid()

    waiting = Waiting(site, 3)
    join = during(lambda: supervisor.control("stop", "myproject"))
    wait_for(lambda: site.log.count("Handling signal: term") == 2, lambda: site.log, 30)
    waiting.finish()
    join()
    assert "STOPPED" in supervisor.control("status")
    assert not procs.alive(third) and not procs.group(third)
    assert site.log.count("Shutting down: Master") == 2
    assert not (site.home / "gosrv.pid").exists()


def test_supervisor_and_a_reload(supervisor, site):
    before, waiting = supervisor.pid(), Waiting(site)
    site.release(2)
    done = reload(site)
    waiting.finish()
    assert done.returncode == 0, done.stderr
    assert site.facts()["version"] == 2 and supervisor.pid() == before
    (site.home / "version.py").write_text("raise RuntimeError('broken')\n")
    done = reload(site)
    assert done.returncode == 1 and "serves on with the old code" in done.stderr
    assert site.facts()["version"] == 2 and supervisor.pid() == before


# -- runit ---------------------------------------------------------------------------------------------------------

class Runit:
    def __init__(self, site):
        self.service = site.folder / "service" / "myproject"
        (self.service / "log").mkdir(parents=True)
        site.log_path = site.folder / "log" / "myproject" / "current"
        site.log_path.parent.mkdir()
        for name in ("run", "log/run"):
            (self.service / name).write_text(site.here(block("#!/bin/sh\n# runit: /etc/service/myproject/" + name)))
            (self.service / name).chmod(0o755)
        self.process = subprocess.Popen(["runsvdir", "-P", str(self.service.parent)], env=harness.environment(GOSRV_PYTHON=None),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: self.control("status").startswith("run:"), lambda: "%s; %s" % (self.control("status"), site.log), 30)

    def control(self, *words):
        return subprocess.run(["sv", *words, str(self.service)], capture_output=True, text=True, timeout=90).stdout

    def pid(self):
        return int(re.match(r"run: .*?\(pid (\d+)\)", self.control("status")).group(1))

    def close(self):
        self.control("-w", "40", "down")
        self.process.send_signal(signal.SIGHUP)  # TERM to all it runs, and the end
        self.process.wait(60)


@pytest.fixture
def runit(site):
    if not shutil.which("runsvdir"):
        pytest.skip("no runsvdir on this machine (Debian: runit)")
    made = Runit(site)
    yield made
    made.close()


def test_runit_starts_restarts_reloads_and_stops(runit, site):
    import pwd

    assert site.facts() == {"user": pwd.getpwnam("www-data").pw_uid, "version": 1, "cwd": str(site.home)}
    first = runit.pid()
    os.kill(first, signal.SIGKILL)
    assert site.facts(2)["version"] == 1
    second = runit.pid()
    assert second != first

    site.release(2)
    runit.control("hup")
    wait_for(lambda: site.facts(2)["version"] == 2, lambda: site.log, 30)
    assert runit.pid() == second

    waiting = Waiting(site, 2)
    join = during(lambda: runit.control("-w", "40", "down"))
    wait_for(lambda: "Handling signal: term" in site.log, lambda: site.log, 30)
    waiting.finish()
    join()
    assert runit.control("status").startswith("down:")
    assert not procs.alive(second) and not procs.group(second)
    assert "Shutting down: Master" in site.log

    runit.control("up")
    assert site.facts(3)["version"] == 2
