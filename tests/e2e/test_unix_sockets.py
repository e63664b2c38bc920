"""Names of unix sockets: which are files and which are abstract, and those that cannot be bound."""
import os
import signal

import pytest

import harness
from masters import Succession
from waiting import wait_for
from wire import Wire


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The server's working directory, which is this process's, too: names are relative to it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.py").write_text((harness.APPS / "hello.py").read_text())
    return tmp_path


def sockets():
    """The names of listening unix sockets, as the kernel shows them: @name is abstract, or a file of that name."""
    with open("/proc/net/unix") as f:
        return {line.split(None, 7)[7].rstrip("\n") for line in f if len(line.split(None, 7)) == 8}


@pytest.mark.matrix
@pytest.mark.parametrize("bind", ["unix:@name", "unix://@name", "unix:./a name \u00e4.sock"])
def test_these_are_files(start, folder, bind):
    server = start("hello:app", cwd=folder, bind=bind)
    path = folder / bind.removeprefix("unix:").removeprefix("//")
    assert path.is_socket()
    assert server.address in bind and "Listening at: unix:" in server.log
    with Wire(str(path), 15) as wire:
        assert wire.get("/").status == 200
    server.stop()
    assert not path.exists()


@pytest.mark.gosrv_only("Gunicorn cannot be told of one on its command line")
@pytest.mark.parametrize("how", ["flag", "variable", "py", "toml"])
def test_an_abstract_socket(start, folder, how):
    name = "gosrv-test-%d-%s" % (os.getpid(), how)
    args, env = (), {}
    if how == "flag":
        args = ("--bind", r"unix:\0" + name)
    elif how == "variable":
        env = {"GUNICORN_CMD_ARGS": r"--bind 'unix:\0%s'" % name}
    elif how == "py":
        (folder / "gunicorn.conf.py").write_text(r'bind = "unix:\0%s"' % name)
    else:
        (folder / "gosrv.toml").write_text(r'bind = "unix:\u0000%s"' % name)
    server = start("hello:app", *args, env=env, cwd=folder, bind=None)
    assert r"Listening at: unix:\0" + name in server.log
    assert "@" + name in sockets() and not [p for p in folder.iterdir() if name in p.name]
    old = server.wait_workers(1)
    server.send_signal(signal.SIGHUP)
    server.wait_workers(1, without=old)
    with Wire("\0" + name, 15) as wire:
        assert wire.get("/").status == 200
    server.stop()
    assert "@" + name not in sockets()


@pytest.mark.gosrv_only("what is looked for is the successor's readiness, which Gunicorn does not tell")
@pytest.mark.parametrize("bind", ["unix:@name", r"unix:\0gosrv-succession"], ids=["file", "abstract"])
def test_a_new_master_has_the_same_socket(start, folder, bind):
    bind += "-%d" % os.getpid()  # abstract names belong to the machine
    server = start("hello:app", "--pid", folder / "pid", cwd=folder, bind=bind, balance=False)
    masters = Succession(server, folder / "pid")
    new = masters.begin()
    server.wait_log(r"The new master \(pid:\d+\) serves")
    masters.end_old(new)
    wait_for(lambda: "Master has been promoted." in server.log, "the promotion")
    with server.wire() as wire:
        assert wire.get("/").status == 200
    masters.stop()


@pytest.mark.gosrv_only("Gunicorn ends with Python's sentence, and without a number")
def test_a_path_that_is_too_long(folder):
    path = folder / ("x" * 108)
    done = harness.run_once("hello:app", "--bind", "unix:%s" % path, cwd=folder)
    assert done.returncode == 1
    assert "may have 107 bytes, this one has %d" % len(str(path)) in done.stderr and "Traceback" not in done.stderr
