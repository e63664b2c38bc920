"""A Python without libpython.so serves like any other: the zygote is that python, and Go starts in its workers.

What is the same is in the tests marked `matrix`, which run on such a Python, too; here is what could differ.
"""
import os
import re

import pytest

import harness
import procs
import pythons
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn is run by a python, whatever its kind"),
    pytest.mark.not_green("that Python has no gevent; the matrix has one that does"),
]

STATIC = pythons.static()


@pytest.fixture(params=STATIC, ids=str)
def static(request):
    return request.param.executable


def threads(pid):
    return int(re.search(r"^Threads:\s+(\d+)", open("/proc/%d/status" % pid).read(), re.M).group(1))


def test_there_is_one_to_test():
    assert STATIC, "no CPython without libpython.so on this machine; Debian's /usr/bin/python3 is one"


def test_the_processes_are_the_users_python_under_our_names(start, static):
    server = start("hello:application", "--python", static, "-w", "2")
    assert server.get("/").text == "hello app"
    server.wait_workers(2)
    for process in server.zygotes() + server.workers():
        assert os.path.samefile("/proc/%d/exe" % process.pid, static)
    assert len(server.zygotes()) == 1
    assert threads(server.zygotes()[0].pid) == 1, "what forks must have no Go in it"
    wait_for(lambda: all(threads(worker.pid) > 1 for worker in server.workers()), "Go in both workers")
    comm = open("/proc/%d/comm" % server.workers()[0].pid).read()
    assert comm.startswith("gosrv: worker")


def test_nothing_of_the_way_in_is_left_for_the_application(start, static):
    facts = start("static_facts", "--python", static).get("/").json()
    assert facts == {"main": [], "orig_argv": facts["orig_argv"], "path": facts["path"], "ctypes": False, "environment": [],
                     "fds": facts["fds"], "reloaded": True}
    assert facts["orig_argv"] in ([], [static, "-c", "pass"])
    assert facts["path"][0] == str(harness.APPS) and "" not in facts["path"]
    assert not [name for name in facts["fds"] if "gosrv-worker" in name]


def test_a_signal_to_the_whole_group_while_python_starts_is_the_masters(start, static, tmp_path):
    """The dispositions that keep the zygote alive are set before python begins, and stay when the shim has its own."""
    (tmp_path / "sitecustomize.py").write_text(
        "if 'create_dynamic' in open('/proc/self/cmdline').read():\n"
        "    open(%r, 'w').write(open('/proc/self/status').read())\n" % str(tmp_path / "status"))
    server = start("hello:application", "--python", static, env={"PYTHONPATH": tmp_path})
    ignored = int(re.search(r"^SigIgn:\s+(\w+)", (tmp_path / "status").read_text(), re.M).group(1), 16)
    numbers = (1, 2, 3, 10, 12, 15)
    assert all(ignored >> (number - 1) & 1 for number in numbers)
    zygote = server.zygotes()[0].pid
    for number in numbers:
        procs.kill(zygote, number)
    worker = server.wait_workers(1)[0]
    procs.kill(worker, 9)
    server.balance = False
    server.wait_workers(1, without=[worker])
    assert server.zygotes()[0].pid == zygote


def test_a_worker_that_dies_is_replaced_and_a_reload_goes_on(start, static):
    server = start("hello:application", "--python", static, "-w", "2", "--threads", "2", balance=False)
    before = server.worker_pids()
    procs.kill(before[0], 9)
    server.wait_workers(2, without=before[:1])
    assert server.get("/").text == "hello app"
    now = server.worker_pids()
    server.send_signal(1)
    server.wait_workers(2, without=now)
    assert wait_for(lambda: server.get("/").text == "hello app", "an answer", 10)


def test_a_python_that_does_not_start_is_named(static):
    done = harness.run_once("--bind", "127.0.0.1:0", "--python", static, "hello", env={"PYTHONHOME": "/nowhere"})
    assert done.returncode == 1
    assert "exited with code 1 while starting; does Python itself start? Try: %s -c pass" % static in done.stderr


def test_version_verbose_says_which_python_and_which_way(static):
    said = harness.run_once("--version", "--verbose", "--python", static).stdout
    release = pythons.ask(static).version
    assert "\npython %d.%d.%d at %s\nchosen by: --python\nhas no library: " % (*release, static) in said
    usual = harness.run_once("--version", "--verbose").stdout
    assert "\nchosen by: GOSRV_PYTHON\nloaded as a library: /" in usual or "\nhas no library: " in usual


def test_the_log_says_which_way(start, static):
    server = start("hello:application", "--python", static)
    assert re.search(r"Using Python 3\.\d+ at %s \(--python\), library none" % re.escape(static), server.log)
