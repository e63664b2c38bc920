"""Without preloading workers share what they load of Python's standard library, and nothing of the application can tell."""
import json
import os
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

import harness
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn's workers share what its master needs itself"),
    pytest.mark.not_green("greenlets patch the library, which nobody shares then"),
]

ROOT = Path(__file__).resolve().parents[2]
SHARED = r"Workers of generation \d+ share (\d+) modules"

APP = """
    import json
    import os
    import sys
    import time
    {imports}

    began = time.time()

    def application(environ, start_response):
        import email.mime.text, http.cookies
        body = json.dumps({{"pid": os.getpid(), "mine": email.mime.text.__spec__.origin, "cookies": http.cookies.__spec__.origin,
                            "file": http.cookies.__file__, "path": sys.path[0], "late": http.cookies.Morsel.__module__}})
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body.encode()]
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path


def write(folder, imports="import email.mime.text, http.cookies, decimal"):
    (folder / "app.py").write_text(textwrap.dedent(APP).format(imports=imports))


def run(start, folder, *args):
    return start("app", "-w", "2", *args, cwd=folder, env={"XDG_CACHE_HOME": folder / "cache"})


def imported_by(pid, name):
    """Whether a process has a library of Python's."""
    return name in Path("/proc/%d/maps" % pid).read_text()


@pytest.mark.matrix
def test_the_first_worker_tells_and_the_next_start_knows(start, folder):
    first = run(start, folder)
    first.wait_log(SHARED)
    first.wait_workers(2)
    assert first.get().json()["cookies"].endswith("cookies.py")
    cached, = (folder / "cache" / "gosrv").iterdir()
    assert cached.stat().st_mode & 0o777 == 0o600
    names = json.loads(cached.read_text())
    assert "http.cookies" in names and "app" not in names
    assert "app" not in first.log.partition("share")[2].splitlines()[0]
    first.stop()
    second = run(start, folder)
    second.wait_workers(2)
    assert second.log.index("share") < second.log.index("Booting worker")
    second.send_signal(signal.SIGHUP)
    second.wait_log(r"Workers of generation 2 share")


def test_a_zygote_that_nobody_needs_ends_until_a_worker_is_wanted(start, folder):
    """Each worker has written to most of what they had in common: it would be the zygote's alone."""
    server = run(start, folder, "--log-level", "debug")
    first = server.wait_workers(2)
    server.wait_log(SHARED)
    zygote, = server.zygotes()
    server.wait_log(r"Zygote \(pid:%d\) of generation 1 ends: nobody wants a worker" % zygote.pid, timeout=30)
    wait_for(lambda: not server.zygotes(), "the end of the zygote")
    assert server.worker_pids() == first and server.get().status_code == 200
    os.kill(first[0], signal.SIGKILL)
    second = server.wait_workers(2, without=first[:1])
    assert first[1] in second
    server.wait_log(SHARED, count=2)  # the new zygote's
    write(folder, "import email.mime.text, http.cookies, decimal\nos.getpid = lambda: -1")
    server.send_signal(signal.SIGHUP)
    server.wait_log(r"Workers of generation 2 share")
    wait_for(lambda: server.get().json()["pid"] == -1, "the new code")
    server.wait_workers(2, without=second)


def test_a_configuration_file_is_not_run_again_for_a_worker(start, folder):
    """Only HUP brings what it says by now: a zygote that has run one stays."""
    (folder / "gunicorn.conf.py").write_text("open('runs', 'a').write('x')\n")
    (folder / "plain").mkdir()
    write(folder / "plain")
    server, plain = (run(start, where, "--log-level", "debug") for where in (folder, folder / "plain"))
    for one in (server, plain):
        one.wait_workers(2)
        one.wait_log(SHARED)
    plain.wait_log(r"ends: nobody wants a worker", timeout=30)
    assert len(server.zygotes()) == 1 and (folder / "runs").read_text() == "x"


def test_each_worker_imports_its_own_if_it_is_asked_for(start, folder):
    server = run(start, folder, "--no-share-stdlib")
    server.wait_workers(2)
    assert server.get().status_code == 200
    assert " share " not in server.log and not (folder / "cache" / "gosrv").exists()


def test_a_cache_that_others_may_write_is_not_used(start, folder):
    (folder / "cache").chmod(0o777)
    server = run(start, folder)
    server.wait_log(SHARED)
    server.wait_workers(2)
    assert not (folder / "cache" / "gosrv").exists()


def test_a_module_of_the_applications_keeps_its_place(start, folder):
    """http/cookies.py of Python is what the zygote would import, and the application has a module http."""
    run(start, folder).wait_log(SHARED)
    (folder / "http").mkdir()
    (folder / "http" / "__init__.py").write_text("")
    (folder / "http" / "cookies.py").write_text("class Morsel: pass\n")
    server = run(start, folder)
    server.wait_log("import the standard library themselves: .*http has the name")
    server.wait_workers(2)
    for _ in range(8):
        assert server.get().json()["file"] == str(folder / "http" / "cookies.py")


def test_a_module_that_a_worker_alone_finds_keeps_its_place(start, folder):
    """The application puts a folder before the others itself."""
    run(start, folder).wait_log(SHARED)
    (folder / "lib" / "http").mkdir(parents=True)
    (folder / "lib" / "http" / "__init__.py").write_text("")
    (folder / "lib" / "http" / "cookies.py").write_text("class Morsel: pass\n")
    (folder / "cache" / "gosrv").chmod(0o700)
    write(folder, "sys.path.insert(0, os.path.abspath('lib'))\n    import email.mime.text, http.cookies".replace("\n    ", "\n"))
    old, = (folder / "cache" / "gosrv").iterdir()
    names = [name for name in json.loads(old.read_text()) if not name.startswith("http")]
    old.write_text(json.dumps(names))
    server = run(start, folder)
    server.wait_log("imports the standard library itself: .*has the name")
    server.wait_workers(2)
    for _ in range(8):
        assert server.get().json()["file"] == str(folder / "lib" / "http" / "cookies.py")


GREEN = """
from gevent import monkey
monkey.patch_all()
import concurrent.futures
import threading
import gevent

def application(environ, start_response):
    import asyncio.events
    own = type(threading.Lock()).__module__, threading.local.__module__, asyncio.events._RunningLoop.__bases__[0].__module__
    start_response("200 OK", [])
    return [" ".join(own).encode()]
"""


def test_an_application_that_is_patched_from_now_on_finds_the_library_as_it_was(start, folder):
    """Its modules bind what gevent replaces: none of them may have been there before the patch."""
    pytest.importorskip("gevent")
    write(folder, "import asyncio, concurrent.futures.thread")
    run(start, folder).wait_log(SHARED)
    (folder / "app.py").write_text(GREEN)
    server = run(start, folder, "--log-level", "debug")
    server.wait_log("imports the standard library itself: gevent or eventlet")
    server.wait_workers(2)
    answers = {wait_for(lambda: server.get().text, "an answer") for _ in range(8)}
    assert answers == {server.get().text} and all("gevent" in word for word in answers.pop().split())
    assert list((folder / "cache" / "gosrv").iterdir()) == []
    server.stop()
    again = run(start, folder)
    again.wait_workers(2)
    assert "MonkeyPatchWarning" not in again.log and " share " not in again.log


# Everything but what is left out, imported before a fork and after one, with another environment and folder in between.
COMPARED = """
import importlib.util, json, os, sys, types, warnings

sys.modules["gosrv_shim"] = types.ModuleType("gosrv_shim")
sys.modules["gosrv_shim"].process = types.SimpleNamespace(threads_patched=lambda: False)
spec = importlib.util.spec_from_file_location("gosrv_shim.forks.stdlib", sys.argv[1])
stdlib = types.ModuleType("gosrv_shim.forks.stdlib")
stdlib.__package__ = "gosrv_shim.forks"
sys.modules["gosrv_shim.forks"] = types.ModuleType("gosrv_shim.forks")
sys.modules["gosrv_shim.forks"].__package__ = "gosrv_shim"
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), vars(stdlib))
import atexit, collections.abc, email.message, functools, inspect, locale, logging, random, selectors, signal, socket, threading, traceback

read = []
cls = type(os.environ)
getitem = cls.__getitem__
cls.__getitem__ = lambda self, key: read.append(key) or getitem(self, key)

def modules(folder, prefix=""):
    for entry in sorted(os.listdir(folder)):
        name, path = entry.partition(".")[0], os.path.join(folder, entry)
        if not name.isidentifier() or name.startswith(("__", "_test", "_xx", "xx")) or name in ("test", "tests", "site"):
            continue
        if entry.endswith((".py", ".so")):
            yield prefix + name
        elif os.path.isfile(os.path.join(path, "__init__.py")):
            yield prefix + name
            yield from modules(path, prefix + name + ".")

def known():
    found = set(sys.builtin_module_names)
    for folder in stdlib.FOLDERS:
        if os.path.isdir(folder):
            found.update(modules(folder))
    skipped = ("tkinter", "turtle", "turtledemo", "turtle", "curses", "dbm")
    return sorted(n for n in found if stdlib.shareable(n) and n.partition(".")[0] not in skipped and not n.endswith("__main__"))

def elsewhere():
    os.environ.clear()
    os.environ.update(HOME="/elsewhere", LANG="xx", TZ="Asia/Tokyo", PATH="/elsewhere")
    os.chdir("/")

def value(v):
    if isinstance(v, (str, bytes, int, float, bool, type(None))):
        return repr(v)
    if isinstance(v, (tuple, list)):
        return [value(x) for x in v]
    if isinstance(v, dict):
        return sorted((repr(type(k)) + str(k) if isinstance(k, (str, int)) else "", value(x) if isinstance(x, (str, int)) else type(x).__name__) for k, x in v.items())
    return type(v).__name__

def state():
    found = {name + "." + key: value(v) for name, module in list(sys.modules.items()) if name in names
             for key, v in list(vars(module).items()) if not key.startswith("__")}
    found.update({"threads": len(os.listdir("/proc/self/task")), "meta_path": len(sys.meta_path), "path": len(sys.path), "filters": len(warnings.filters),
                  "atexit": atexit._ncallbacks(), "locale": locale.setlocale(locale.LC_ALL), "environ": sorted(os.environ), "cwd": os.getcwd(),
                  "signals": [str(signal.getsignal(s)) for s in range(1, 32)], "hooks": [str(sys.excepthook), str(sys.displayhook)]})
    return found

def forked(*steps):
    # What the last step gives, in a child.
    r, w = os.pipe()
    if os.fork() == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        with os.fdopen(w, "w") as out:
            for step in steps:
                last = step()
            json.dump(last, out)
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.wait()
    return json.loads(text)

OF_CPYTHON = {"_PYTHON_SUBPROCESS_USE_POSIX_SPAWN"}  # for its own tests

def load():
    read.clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name in names:
            stdlib.attempt(name)
    sys.stderr.flush()
    return {"warnings": [str(s.message) for s in said], "left out": sorted(n for n in sys.modules if n not in before and not stdlib.shareable(n) and "warns" not in stdlib.OWN.get(n, "")),
            "variables": sorted({str(key) for key in read} - OF_CPYTHON)}

names, before = forked(lambda: [name for name in known() if stdlib.attempt(name)]), set(sys.modules)  # some are other systems'
report = forked(load)
shared = forked(load, lambda: forked(elsewhere, state))
own, again = forked(elsewhere, load, state), forked(elsewhere, load, state)  # what differs between these two says nothing
report["modules"] = len(names)
report["differences"] = {k: [shared.get(k), own.get(k)] for k in {**shared, **own} if shared.get(k) != own.get(k) and own.get(k) == again.get(k)}
json.dump(report, sys.stdout)
"""


@pytest.mark.matrix
def test_an_import_before_a_fork_is_like_one_after_it(tmp_path):
    shim = ROOT / "pyshim" / "gosrv_shim" / "forks" / "stdlib.py"
    (tmp_path / "compared.py").write_text(COMPARED)
    done = subprocess.run([harness.python(), "-I", "-S", str(tmp_path / "compared.py"), str(shim)], capture_output=True, text=True, timeout=120, cwd=tmp_path,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.pop("modules") > 250
    assert report == {"warnings": [], "left out": [], "variables": [], "differences": {}}
