"""gosrv reload, stop, upgrade and status: an order, its outcome, and an exit code that tells."""
import os
import signal

import pytest

import procs
from masters import Succession, order
from test_reload import site  # noqa: F401
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn has no such commands")


@pytest.fixture
def begun(start, site, tmp_path):  # noqa: F811
    def make(*args, **kw):
        return start("mine", "--pid", tmp_path / "pid", *args, cwd=site.folder, balance=False, **kw)

    make.pidfile = tmp_path / "pid"
    return make


def test_reload(begun, site):  # noqa: F811
    server = begun("-w", "2")
    old = server.wait_workers(2)
    site.answer("second")
    done = order("reload", "--pid", begun.pidfile)
    assert (done.returncode, done.stderr) == (0, "") and "Generation 2" in done.stdout
    assert server.get().text == "second", "the new code serves when the command returns"
    assert not set(server.wait_workers(2)) & set(old)


@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["plain", "preload"])
def test_a_reload_that_fails(begun, site, args):  # noqa: F811
    server = begun(*args)
    site.source("raise RuntimeError('no good')\n")
    done = order("reload", "--pid", begun.pidfile)
    assert done.returncode == 1
    assert "serves on with the old code" in done.stderr
    assert server.get().text == "first"
    assert "last reload failed" in order("status", "--pid", begun.pidfile).stdout
    site.answer("third")
    assert order("reload", "--pid", begun.pidfile).returncode == 0
    assert server.get().text == "third"
    assert "failed" not in order("status", "--pid", begun.pidfile).stdout


def test_stop(begun):
    server = begun()
    assert order("stop", "--pid", begun.pidfile).returncode == 0
    assert server.process.poll() is not None or server.wait_end() == 0
    assert server.wait_end() == 0
    again = order("stop", "--pid", begun.pidfile)
    assert again.returncode == 3 and "no such file" in again.stderr


def test_upgrade(begun, site, tmp_path):  # noqa: F811
    server = begun()
    site.answer("second")
    done = order("upgrade", "--pid", begun.pidfile)
    assert done.returncode == 0, done.stderr
    masters = Succession(server, begun.pidfile)
    new = masters.recorded()
    assert new != server.pid and "(pid %d)" % new in done.stdout
    assert server.process.wait(5) == 0
    assert server.get().text == "second"
    masters.pid = new
    masters.stop()


def test_an_upgrade_that_fails(begun, site):  # noqa: F811
    server = begun()
    site.source("raise RuntimeError('no good')\n")
    done = order("upgrade", "--pid", begun.pidfile)
    assert done.returncode == 1 and "exited with code 3; the old master" in done.stderr
    assert server.get().text == "first"
    assert procs.alive(server.pid)


def test_status(begun):
    server = begun("-w", "2")
    server.wait_workers(2)
    wait_for(lambda: "2 of 2 ready" in order("status", "--pid", begun.pidfile).stdout, "both workers")
    said = order("status", "--pid", begun.pidfile)
    assert said.returncode == 0 and "(pid %d): serving" % server.pid in said.stdout and "application: mine" in said.stdout


def test_what_is_no_server(tmp_path):
    pidfile = tmp_path / "pid"
    for text, said in (("%d\n" % os.getpid(), "no running gosrv master"), ("x\n", "holds no process id"), ("999999999\n", "no running gosrv master")):
        pidfile.write_text(text)
        for word in ("reload", "stop", "upgrade", "status"):
            done = order(word, "--pid", pidfile)
            assert done.returncode == 3 and said in done.stderr, (word, text, done.stderr)
    assert order("reload", "--nonsense").returncode == 2
    assert "usage" in order("status", "--help").stdout


def test_a_master_that_dies_meanwhile(begun, site):  # noqa: F811
    server = begun()
    site.source("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(1)\n")
    done = order("reload", "--pid", begun.pidfile)
    assert done.returncode == 1 and "has ended" in done.stderr
    server.process.wait(5)
    wait_for(lambda: not procs.group(server.pid), "the end of the orphans", 10)
    server.stopped = True
    assert signal.SIGKILL == -server.process.returncode
