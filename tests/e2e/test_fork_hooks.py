"""Python's at-fork hooks see one fork, from the process that has imported to the worker: tracers stop their threads before it and
start them again on both sides."""
import os

import pytest

import procs
from waiting import wait_for

pytestmark = pytest.mark.not_green("processes are what it is about")

# What a launcher such as ddtrace-run puts before the application: a library with a thread that takes part in forks.
LIBRARY = """
import os
import threading

class Ticker:
    def __init__(self):
        self.seen = []
        os.register_at_fork(before=self.before, after_in_parent=self.after, after_in_child=self.child)
        self.start()

    def start(self):
        self.pid = os.getpid()
        self.stopping, self.ticked = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, name="ticker", daemon=True)
        self.thread.start()

    def run(self):
        self.ticked.set()
        self.stopping.wait()

    def before(self):
        self.seen.append(("before", os.getpid()))
        self.stopping.set()
        self.thread.join()  # never returns where the thread is not

    def after(self):
        self.seen.append(("parent", os.getpid()))
        self.start()

    def child(self):
        self.seen.append(("child", os.getpid()))
        self.start()

ticker = Ticker()
"""

APP = """
import json
import os

import library

def application(environ, start_response):
    library.ticker.ticked.wait(10)
    body = json.dumps({"pid": os.getpid(), "ticks": library.ticker.ticked.is_set(), "seen": library.ticker.seen}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "library.py").write_text(LIBRARY)
    (tmp_path / "sitecustomize.py").write_text("import library\n")
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.mark.matrix
@pytest.mark.gosrv_only("Gunicorn imports sitecustomize in the master; there is no zygote to ask for")
@pytest.mark.parametrize("args", [(), ("--preload",), ("--threads", "2")], ids=["sync", "preload", "threads"])
def test_a_thread_that_takes_part_in_forks(start, folder, args):
    server = start("app", "-w", "2", *args, cwd=folder, env={"PYTHONPATH": folder})
    facts = server.get().json()
    zygote = server.zygotes()[0].pid
    assert facts["ticks"] and facts["pid"] in server.wait_workers(2)
    # An earlier worker may have been forked before; what this one has seen of its own fork stands last.
    assert facts["seen"][-2:] == [["before", zygote], ["child", facts["pid"]]]
    assert facts["seen"][:-2] in ([], [["before", zygote], ["parent", zygote]])
    victim = server.worker_pids()[0]
    os.kill(victim, 9)
    server.wait_workers(2, without=[victim])
    server.balance = False  # of the killed worker
    threads = lambda: os.listdir("/proc/%d/task" % zygote)
    wait_for(lambda: len(threads()) == 2, lambda: "the ticker in the zygote, again: %s" % threads())


def test_a_preloaded_library_is_told_of_the_fork(start, folder):
    server = start("app", "--preload", cwd=folder)
    facts = server.get().json()
    assert facts["ticks"] and [what for what, pid in facts["seen"]] == ["before", "child"]
    assert facts["seen"][1][1] == facts["pid"] in server.worker_pids()
    assert facts["seen"][0][1] != facts["pid"] and procs.alive(facts["seen"][0][1])
