"""A folder that is a symbolic link, as deployments switch releases: its name is kept, and a reload follows it."""
import os
import signal

import pytest

import harness
from masters import Succession
from waiting import wait_for

pytestmark = pytest.mark.not_green("processes are what it is about")

APP = """
import json, os, sys
from helper import RELEASE

def application(environ, start_response):
    body = json.dumps({"release": RELEASE, "path": sys.path, "file": __file__, "cwd": os.getcwd()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# How the folder is named: the working directory by the shell's name for it, --chdir, gunicorn.conf.py, gosrv.toml.
ROUTES = {
    "PWD": ("current", ()),
    "chdir": ("start", ("--chdir", "ROOT/current")),
    "relative chdir": ("start", ("--chdir", "../current")),
    "conf": ("start", ("-c", "ROOT/conf.py")),
    "preload": ("current", ("--preload",)),
}


@pytest.fixture
def root(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "shop.py").write_text(APP)
        (tmp_path / name / "helper.py").write_text("RELEASE = %r\n" % name)
    (tmp_path / "start").mkdir()
    (tmp_path / "conf.py").write_text('chdir = "../current"\n')
    (tmp_path / "current").symlink_to("one")
    return tmp_path


def switch(root):
    (root / "next").symlink_to("two")
    (root / "next").rename(root / "current")


@pytest.fixture
def serve(start, root):
    def make(where, *args, app="shop", **kw):
        folder = root / where
        args = [str(arg).replace("ROOT", str(root)) for arg in args]
        return start(app, *args, cwd=folder, env={"PWD": folder, **kw.pop("env", {})}, **kw)

    return make


@pytest.mark.matrix
@pytest.mark.parametrize("route", ROUTES)
def test_the_name_is_kept_and_a_reload_follows_it(serve, root, route):
    where, args = ROUTES[route]
    server = serve(where, *args)
    facts = server.get().json()
    assert facts["path"][0] == str(root / "current") and facts["file"] == str(root / "current" / "shop.py")
    assert facts["release"] == "one" and facts["cwd"] == str(root / "one")
    if route == "preload" and server.kind == "gunicorn":
        return  # it serves the old code on
    for release, move in (("one", lambda root: None), ("two", switch)):
        move(root)
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        server.wait_workers(1, without=old)
        facts = server.get().json()
        assert facts["release"] == release and facts["cwd"] == str(root / release)
        assert facts["path"][0] == str(root / "current") and facts["file"] == str(root / "current" / "shop.py")


@pytest.mark.gosrv_only("the reload of Gunicorn's master looks for it in the folder that it is in by then, and ends")
@pytest.mark.parametrize("name", ["gunicorn.conf.py", "gosrv.toml"])
def test_a_relative_folder_is_the_same_at_a_reload(serve, root, name):
    (root / "start" / "here").symlink_to("../current")
    (root / "start" / name).write_text('chdir = "here"\n')
    server = serve("start")
    for folder in ("here", "../two", "./here/"):
        (root / "start" / name).write_text('chdir = "%s"\n' % folder)
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        server.wait_workers(1, without=old)
        assert server.get().json()["path"][0] == str(root / "start" / "here" if "here" in folder else root / "two")


@pytest.mark.gosrv_only("what is looked for is the successor's readiness, which Gunicorn does not tell")
@pytest.mark.parametrize("route", ROUTES)
def test_a_new_master_follows_it(serve, root, route):
    where, args = ROUTES[route]
    server = serve(where, *args, "--pid", root / "pid", balance=False)
    masters = Succession(server, root / "pid")
    switch(root)
    new = masters.begin()
    server.wait_log(r"The new master \(pid:\d+\) serves")
    masters.end_old(new)
    wait_for(lambda: "Master has been promoted." in server.log, "the promotion")
    facts = server.get().json()
    assert facts["release"] == "two" and facts["file"] == str(root / "current" / "shop.py")
    masters.stop()


def test_another_name_than_the_shells_is_not_believed(serve, root):
    """PWD counts only as long as it names the working directory."""
    assert serve("one", env={"PWD": root / "two"}).get().json()["path"][0] == str(root / "one")


def test_pythonpath_is_relative_to_the_folder_of_the_application(serve, root):
    (root / "one" / "lib" / "elsewhere.py").write_text(APP)
    server = serve("start", "--chdir", "../current", "--pythonpath", "lib,%s" % (root / "two"), app="elsewhere")
    facts = server.get().json()
    assert facts["release"] == "two" and facts["file"] == str(root / "one" / "lib" / "elsewhere.py")
    assert facts["path"][:3] == [str(root / "two"), str(root / "one" / "lib"), str(root / "current")]


@pytest.mark.matrix
@pytest.mark.parametrize("route", ["PWD", "chdir"])
def test_a_name_that_the_locale_cannot_spell(start, root, route):
    """Under Python's own rules this locale is ASCII; to messages between master and zygote it makes no difference."""
    folder = root / "r\u00e4ume und t\u00fcren"
    (root / "one").rename(folder)
    (folder / "conf \u00e4.py").write_text("workers = 1\n")
    ascii_only = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    args = ["--chdir", folder] if route == "chdir" else ["-c", "conf \u00e4.py", "--pythonpath", folder / "lib"]
    server = start("shop", *args, cwd=folder if route == "PWD" else root, env={"PWD": folder if route == "PWD" else root, **ascii_only})
    for _ in range(2):
        facts = server.get().json()
        assert facts["file"].encode("ascii", "surrogateescape").decode() == str(folder / "shop.py") and facts["release"] == "one"
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        server.wait_workers(1, without=old)


@pytest.mark.gosrv_only("messages of gosrv's are UTF-8")
def test_a_name_that_is_not_text_is_refused(root):
    folder = os.fsencode(root) + b"/\xff"
    os.rename(root / "one", folder)
    done = harness.run_once("shop", "--bind", "127.0.0.1:0", cwd=os.fsdecode(folder), env={"PWD": None})
    assert done.returncode == 1 and r'is not UTF-8: "%s/\xff"' % root in done.stderr
    done = harness.run_once("shop", "--bind", "127.0.0.1:0", "--chdir", os.fsdecode(folder), cwd=root)
    assert done.returncode == 1 and "the name is not UTF-8" in done.stderr and "command line: chdir" in done.stderr
