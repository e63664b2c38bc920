"""USR2 replaces the running master by another one on the same sockets: gosrv by gosrv, Gunicorn by gosrv, gosrv by Gunicorn."""
import os
import re
import signal
import socket
import sys

import pytest

import harness
import procs
from masters import STUB, Succession, order
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("the promises about failed upgrades are gosrv's")

WHO = """
import os
def application(environ, start_response):
    body = b"%s %%d" %% os.getppid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()

    def write(source):
        new = folder / "mine.py.new"
        new.write_text(source)
        new.rename(folder / "mine.py")

    write(WHO % "first")
    write.folder = folder
    return write


def who(server):
    with server.wire() as wire:
        word, master = wire.get("/", "Connection: close").body.split()
    return word.decode(), int(master)


@pytest.fixture
def begun(start, site, tmp_path):
    def make(*args, **kw):
        pidfile = tmp_path / "pid"
        kw.setdefault("balance", False)
        server = start("mine", "--pid", pidfile, *args, cwd=site.folder, **kw)
        wait_for(lambda: re.search(r"\b(\d+) of \1 ready", order("status", "--pid", pidfile).stdout),
                 "all workers: one that still imports would import what is written next")
        return server, Succession(server, pidfile)

    return make


def ready(server, count=1):
    server.wait_log(r"The new master \(pid:\d+\) serves", count=count)


@pytest.mark.matrix
@pytest.mark.parametrize("args", [(), ("--preload",), ("--threads", "2")], ids=["sync", "preload", "threads"])
@pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:DIR/s.sock"], ids=["tcp", "unix"])
def test_an_upgrade(begun, site, bind, args):
    server, masters = begun("-w", "2", *args, bind=bind)
    assert who(server) == ("first", server.pid)
    site(WHO % "second")
    new = masters.begin()
    ready(server)
    assert procs.Proc(new).ppid == server.pid
    assert "master [mine.2]" in procs.Proc(new).title
    assert masters.recorded() == server.pid
    masters.end_old(new)
    wait_for(lambda: "Master has been promoted." in server.log, "the promotion")
    wait_for(lambda: masters.recorded() == new, "the pidfile of the new master")
    wait_for(lambda: not os.path.exists(str(masters.pidfile) + ".2"), "the end of its second name")  # after the first was written
    wait_for(lambda: "master [mine]" in procs.Proc(new).title, "the plain title")
    assert {who(server) for _ in range(5)} == {("second", new)}
    masters.stop()
    assert not masters.pidfile.exists()


def test_upgrades_of_upgrades(begun):
    server, masters = begun()
    for _ in range(3):
        new = masters.begin()
        wait_for(lambda: "The new master (pid:%d) serves" % new in server.log, "its readiness")
        masters.end_old(new)
        wait_for(lambda: masters.recorded() == new, "the promotion")
        assert who(server) == ("first", new)
    masters.stop()


def test_going_back(begun, site):
    server, masters = begun("-w", "2")
    site(WHO % "second")
    new = masters.begin()
    ready(server)
    os.kill(new, signal.SIGTERM)
    server.wait_log("Upgrade failed: the new master .* serves on")
    assert {who(server) for _ in range(5)} == {("first", server.pid)}
    assert masters.recorded() == server.pid
    new = masters.begin()
    ready(server, 2)
    server.send_signal(signal.SIGUSR2)
    server.wait_log("USR2 signal ignored. Child exists.")
    masters.end_old(new)
    masters.stop()


BROKEN = {
    "code": (WHO % "second") + "raise RuntimeError('no good')\n",
    "syntax": "def broken(:\n",
    "no application": "nothing = 1\n",
}


@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["plain", "preload"])
@pytest.mark.parametrize("how", ["code", "syntax", "no application"])
def test_an_application_that_does_not_load(begun, site, how, args):
    server, masters = begun(*args)
    site(BROKEN[how])
    server.send_signal(signal.SIGUSR2)
    server.wait_log(r"Upgrade failed: the new master \(pid:\d+\) exited with code [34]; this master .* serves on")
    assert who(server) == ("first", server.pid)
    assert not os.path.exists(str(masters.pidfile) + ".2")
    site(WHO % "third")
    new = masters.begin()
    ready(server)
    masters.end_old(new)
    assert who(server)[0] == "third"
    masters.stop()


@pytest.mark.parametrize("how", ["missing", "failing", "no program"])
def test_a_binary_that_does_not_start(begun, tmp_path, monkeypatch, how):
    link = tmp_path / "gosrv"
    real = harness.binary().resolve()
    link.symlink_to(real)
    monkeypatch.setenv("GOSRV_BIN", str(link))
    server, masters = begun()
    link.unlink()
    if how != "missing":
        link.write_text("#!/bin/sh\nexit 7\n" if how == "failing" else "junk")
        link.chmod(0o755)
    server.send_signal(signal.SIGUSR2)
    server.wait_log("Upgrade failed: ")
    assert who(server) == ("first", server.pid)
    link.unlink(missing_ok=True)
    link.symlink_to(real)
    new = masters.begin()
    ready(server)
    masters.end_old(new)
    masters.stop()


def test_pre_exec_that_raises(begun, tmp_path):
    conf = tmp_path / "conf.py"
    conf.write_text("def pre_exec(server):\n    raise RuntimeError('not now')\n")
    server, _ = begun("-c", conf)
    server.send_signal(signal.SIGUSR2)
    server.wait_log("Upgrade failed: the hook pre_exec raised")
    assert "not now" in server.log
    assert who(server) == ("first", server.pid)


def test_environment_arguments_and_directory_are_the_first_ones(start, tmp_path):
    server = start("echo_environ", "--pid", tmp_path / "pid", "--env", "SET_BY_US=1", balance=False, env={"FROM_OUTSIDE": "2"})
    masters = Succession(server, tmp_path / "pid")
    new = masters.begin()
    ready(server)
    with open("/proc/%d/environ" % new, "rb") as f:
        env = dict(pair.split(b"=", 1) for pair in f.read().split(b"\0") if b"=" in pair)
    assert env[b"FROM_OUTSIDE"] == b"2" and b"SET_BY_US" not in env
    assert env[b"GUNICORN_PID"] == str(server.pid).encode() and env[b"GUNICORN_FD"]
    assert os.readlink("/proc/%d/cwd" % new) == os.readlink("/proc/%d/cwd" % server.pid)
    masters.end_old(new)
    masters.stop()


AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_of_systemd(start, site, tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    fd = listener.fileno()
    program = [sys.executable, "-c", AS_SYSTEMD, str(fd), str(harness.binary())]
    server = start("mine", "--pid", tmp_path / "pid", cwd=site.folder, bind=None, program=program, fds=(fd,), env={"LISTEN_FDS": "1"},
                   balance=False, ready=None)
    assert server.address == listener.getsockname()
    server._answered("/")
    masters = Succession(server, tmp_path / "pid")
    for _ in range(2):
        new = masters.begin()
        wait_for(lambda: "The new master (pid:%d) serves" % new in server.log, "its readiness")
        with open("/proc/%d/environ" % new, "rb") as f:
            env = f.read().split(b"\0")
        assert b"LISTEN_PID=%d" % new in env and b"LISTEN_FDS=1" in env
        masters.end_old(new)
        wait_for(lambda: masters.recorded() == new, "the promotion")
        assert who(server) == ("first", new)
    masters.stop()
    listener.close()


# -- Gunicorn before and after --------------------------------------------------------------------------------------

# As pip writes it where the path of the Python has a space in it or is long.
GUNICORN = """#!/bin/sh
'''exec' "%s" "$0" "$@"
' '''
import sys
from gunicorn.app.wsgiapp import run
sys.exit(run())
"""


@pytest.fixture
def script(tmp_path):
    """bin/gunicorn of a virtual environment, which can be either server."""
    path = tmp_path / "gunicorn"

    def put(what):
        new = tmp_path / "gunicorn.new"
        new.write_text(GUNICORN % harness.python() if what == "gunicorn" else STUB.read_text())
        new.chmod(0o755)
        new.rename(path)

    put.path = path
    return put


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:DIR/s.sock"], ids=["tcp", "unix"])
def test_from_gunicorn_to_gosrv_and_back(start, site, script, tmp_path, bind):
    script("gunicorn")
    pidfile = tmp_path / "pid"
    env = {"GOSRV": harness.binary(), "PATH": os.path.dirname(harness.python()) + ":" + os.environ["PATH"]}
    server = start("mine", "--pid", pidfile, cwd=site.folder, bind=bind, server="gunicorn", env=env, balance=False,
                   program=[harness.python(), str(script.path), "--no-control-socket"])
    masters = Succession(server, pidfile)
    assert who(server) == ("first", server.pid)

    script("gosrv")
    site(WHO % "second")
    new = masters.begin()
    assert procs.Proc(new).ppid == server.pid
    wait_for(lambda: "gosrv: master [mine.2]" in procs.Proc(new).title, "gosrv as the new master")
    wait_for(lambda: any(p.title.startswith("gosrv: worker") for p in procs.children(new)), "its worker")
    wait_for(lambda: who(server) == ("second", new), "an answer of gosrv", 20)
    masters.end_old(new)
    wait_for(lambda: masters.recorded() == new, "the promotion of gosrv")
    assert {who(server) for _ in range(5)} == {("second", new)}

    script("gunicorn")
    site(WHO % "third")
    last = masters.begin()
    assert procs.Proc(last).ppid == new
    wait_for(lambda: who(server) == ("third", last), "an answer of Gunicorn", 20)
    masters.end_old(last)
    wait_for(lambda: masters.recorded() == last, "the promotion of Gunicorn")
    assert {who(server) for _ in range(5)} == {("third", last)}
    masters.stop()
