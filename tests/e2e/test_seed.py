"""A reload grows from a copy of the interpreter that was put aside at the start, and is as good as from a new one."""
import importlib.util
import signal
import socket

import pytest

import harness
import procs
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn's master is its own interpreter and never starts another"),
    pytest.mark.not_green("processes are what it is about"),
]

APP = """
import builtins
import os
import helper

def application(environ, start_response):
    body = "%s %s %s" % (getattr(builtins, "MARK", None), helper.NAME, os.path.basename(os.getcwd()))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
"""


def seeds(server):
    return [p.pid for p in procs.children(server.pid) if p.title == "gosrv: seed"]


def seed_of(server):
    return wait_for(lambda: seeds(server), "a seed")[0]


def reload(server):
    old = server.wait_workers(1)
    server.send_signal(signal.SIGHUP)
    server.wait_workers(1, without=old)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "helper.py").write_text("NAME = 'first'\n")
    (tmp_path / "gunicorn.conf.py").write_text("import helper\nproc_name = helper.NAME\n")
    return tmp_path


@pytest.mark.matrix
def test_a_reload_grows_from_the_seed(start, folder):
    server = start("app", cwd=folder)

    def grows():
        seed = seed_of(server)
        reload(server)
        wait_for(lambda: len(server.zygotes()) == 1, "the end of the old zygote")
        return server.zygotes()[0].pid == seed

    # What the interpreter came out of may have changed since, by whoever else uses it; but not each time.
    assert any(grows() for _ in range(5))
    assert seed_of(server) != server.zygotes()[0].pid


def test_modules_of_the_config_file_are_read_again(start, folder):
    server = start("app", cwd=folder)
    for name in ("second", "third"):
        seed_of(server)
        new = folder / "helper.new"
        new.write_text("NAME = '%s'\n" % name)
        new.rename(folder / "helper.py")
        reload(server)
        assert server.get().text.split()[1] == name
        wait_for(lambda: server.zygotes() and server.zygotes()[-1].title.endswith("[%s]" % name), "its title")


@pytest.mark.matrix
def test_a_reload_imports_no_more_than_a_start(start, folder):
    (folder / "modules.py").write_text("""
import sys

def application(environ, start_response):
    body = " ".join(sorted(m for m in sys.modules if not m.startswith("gosrv_shim"))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
""")
    server = start("modules", cwd=folder)
    before = server.get().text
    for _ in range(2):
        seed_of(server)
        reload(server)
        assert server.get().text == before


@pytest.mark.parametrize("change", ["module", "pth"])
def test_what_the_interpreter_runs_at_its_start_is_run_again(start, folder, change):
    """sitecustomize.py here; in a venv as often a .pth file."""
    (folder / "early").mkdir()
    code = folder / "early" / "sitecustomize.py"
    code.write_text("import builtins\nbuiltins.MARK = 1\n" if change == "module" else "import site\nsite.addsitedir(%r)\n" % str(folder / "early"))
    if change == "pth":
        code = folder / "early" / "mark.pth"
        code.write_text("import builtins; builtins.MARK = 1\n")
    server = start("app", cwd=folder, env={"PYTHONPATH": folder / "early"})
    assert server.get().text.split()[0] == "1"
    seed_of(server)
    with open(code, "r+") as file:  # in place: neither the folder nor the size changes
        text = file.read().replace("MARK = 1", "MARK = 2")
        file.seek(0)
        file.write(text)
    reload(server)
    assert server.get().text.split()[0] == "2"


def test_a_link_to_another_release_is_followed(start, folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "app.py").write_text(APP)
        (folder / name / "helper.py").write_text("NAME = 'release-%s'\n" % name)
    current = folder / "current"
    current.symlink_to("one")
    server = start("app", cwd=current, env={"PWD": current})
    assert server.get().text.split()[1:] == ["release-one", "one"]
    seed_of(server)
    (folder / "new").symlink_to("two")
    (folder / "new").rename(current)
    reload(server)
    assert server.get().text.split()[1:] == ["release-two", "two"]


def test_without_its_seed_a_reload_starts_an_interpreter(start, folder):
    server = start("app", cwd=folder)
    seed = seed_of(server)
    server.send_signal(signal.SIGKILL, seed)
    wait_for(lambda: seed not in seeds(server), "its end")
    reload(server)
    assert seed_of(server) != seed


def test_a_thread_in_the_interpreter_leaves_no_seed(start, folder):
    """A copy would lack it: each reload starts an interpreter, with the thread in it."""
    (folder / "sitecustomize.py").write_text(
        "import builtins, threading\nbuiltins.MARK = 'ticks'\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    server = start("app", cwd=folder, env={"PYTHONPATH": folder})
    assert not seeds(server)
    reload(server)
    assert server.get().text.split()[0] == "ticks" and not seeds(server)
    wait_for(lambda: len(server.zygotes()) == 1, "the end of the old zygote")
    assert procs.alive(server.zygotes()[0].pid)


def test_a_preloaded_application_keeps_no_seed(start, folder):
    """Its import takes the time at a reload, and a seed would cost more memory than without."""
    config = folder / "gunicorn.conf.py"
    server = start("app", cwd=folder)
    seed_of(server)

    def reload_with(preload):
        new = folder / "config.new"
        new.write_text("preload_app = %s\n" % preload)
        new.rename(config)
        reload(server)

    for _ in range(2):
        reload_with(True)
        wait_for(lambda: not seeds(server), "the end of the seed")
        assert server.get().text.split()[1] == "first"
    reload_with(False)
    reload(server)
    seed_of(server)


def test_a_master_that_has_not_read_everything_has_gone_all_the_same():
    """As it happens when it gives the seed up whose first word is on its way: no reason for a traceback."""
    where = importlib.util.spec_from_file_location("channel", harness.ROOT / "pyshim/gosrv_shim/process/channel.py")
    channel = importlib.util.module_from_spec(where)
    where.loader.exec_module(channel)
    master, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    seed = channel.Channel(end.detach())
    seed.send("SeedReady", pid=1)
    master.send(b'{"type": "LoadConfig"}')
    master.close()
    assert seed.receive() == ({"type": "LoadConfig"}, [])
    assert seed.receive() == (None, [])
    seed.close()
