"""--daemon: the command returns at once with 0, the server lives on in a session of its own, without a terminal."""
import os
import re
import signal
import subprocess

import pytest

import harness
import procs
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.not_green("processes are what it is about")


class Daemon:
    """A server that detached itself: found by its pidfile, ended by its pid."""

    def __init__(self, folder, *args, env=None):
        self.pidfile, self.log_path, self.socket = folder / "pid", folder / "log", str(folder / "sock")
        with open(folder / "out", "w") as out:  # no pipe: a daemon that keeps it would keep its reader waiting
            self.done = subprocess.run(
                harness.command() + ["--daemon", "--pid", str(self.pidfile), "--error-logfile", str(self.log_path), "--log-level", "debug",
                                     "-b", "unix:" + self.socket, *map(str, args)],
                cwd=str(harness.APPS), env=harness.environment(**(env or {})), stdout=out, stderr=out, timeout=20, start_new_session=True)
        self.said = (folder / "out").read_text()
        assert self.done.returncode == 0, self.said
        wait_for(lambda: self.answers(), lambda: "an answer\n" + self.log, 20)
        self.pid = int(self.pidfile.read_text())

    @property
    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def answers(self):
        try:
            with Wire(self.socket) as wire:
                return wire.get("/", "Connection: close").body
        except OSError:
            return None

    def workers(self):
        return [p for p in procs.children(self.pid) if not p.title.startswith(("gosrv: zygote", "gosrv: seed"))]

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        wait_for(lambda: not procs.alive(self.pid), lambda: "the end of the daemon\n" + self.log, 20)
        assert not self.pidfile.exists() and not os.path.exists(self.socket)


@pytest.fixture
def daemon(tmp_path):
    made = []

    def make(*args, **kw):
        made.append(Daemon(tmp_path, *args, **kw))
        return made[-1]

    yield make
    for one in made:
        if procs.alive(one.pid):
            one.stop()


def test_it_leaves_the_terminal(daemon):
    one = daemon("hello", "-w", "2")
    proc = procs.Proc(one.pid)
    with open("/proc/%d/stat" % one.pid) as f:
        fields = f.read().rpartition(")")[2].split()
    session, terminal = int(fields[3]), int(fields[4])
    assert session != os.getsid(0) and session != one.pid and terminal == 0
    assert not procs.alive(proc.ppid) or proc.ppid != os.getpid()
    assert {procs.open_fds(one.pid)[n] for n in (0, 1, 2)} == {"/dev/null"}
    assert re.search(r"^Umask:\s*0022", open("/proc/%d/status" % one.pid).read(), re.M)
    assert one.said == ""
    one.stop()


def test_output_stays_if_asked(daemon):
    one = daemon("prints", "-R")
    fds = procs.open_fds(one.pid)
    assert fds[0] == "/dev/null" and fds[1].endswith("/out") and fds[2].endswith("/out")


def test_a_mistake_in_the_settings_is_told_at_once(tmp_path):
    ended = harness.run_once("hello", "--daemon", "--workers", "-1")
    assert ended.returncode != 0 and ended.stderr


def test_winch_and_hup(daemon):
    """The way back of an upgrade: the old master's workers rest, then wake."""
    one = daemon("hello", "-w", "2")
    wait_for(lambda: len(one.workers()) == 2, "two workers")
    os.kill(one.pid, signal.SIGWINCH)
    wait_for(lambda: not one.workers(), "no workers")
    assert "graceful stop of workers" in one.log
    os.kill(one.pid, signal.SIGHUP)
    wait_for(lambda: len(one.workers()) == 2, "two workers again")
    assert one.answers()


@pytest.mark.gosrv_only("Gunicorn runs under its interpreter's name")
def test_a_daemon_is_upgraded_and_rolled_back(daemon):
    one = daemon("hello")
    os.kill(one.pid, signal.SIGUSR2)
    wait_for(lambda: "The new master" in one.log, lambda: "a new master\n" + one.log, 20)
    second = int(open(str(one.pidfile) + ".2").read())
    assert procs.Proc(second).ppid == one.pid
    os.kill(one.pid, signal.SIGWINCH)
    wait_for(lambda: "graceful stop of workers" in one.log, "rest")
    assert one.answers()
    os.kill(one.pid, signal.SIGHUP)
    wait_for(lambda: "Generation 2 serves" in one.log, "the old workers' return")
    os.kill(second, signal.SIGTERM)
    wait_for(lambda: "Upgrade failed" in one.log, "the new master's end")
    assert one.answers()
    assert int(one.pidfile.read_text()) == one.pid
