"""What is musl's own: LD_PRELOAD, by which a Python without libpython loads gosrv; a machine without glibc; the right wheel."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
import mounts
import procs
from classifier import Clients
from waiting import wait_for

pytestmark = [
    pytest.mark.musl,
    pytest.mark.gosrv_only("Gunicorn is no program for one C library"),
    pytest.mark.not_green("it is about the way in"),
]


def base():
    """The folder of the CPython for musl, whose compiler lies in it."""
    return Path(harness.python()).resolve().parent.parent


@pytest.fixture
def own_library(tmp_path):
    """A library that a user has preloaded, as people do with jemalloc."""
    source = tmp_path / "own.c"
    source.write_text("int own_library_is_here = 1;\n")
    subprocess.run([str(base() / "musl-cc"), "-shared", "-fPIC", "-o", str(tmp_path / "own.so"), str(source)], check=True)
    return str(tmp_path / "own.so")


def facts(server):
    return json.loads(server.get("/").text)


@pytest.mark.parametrize("refork", [False, True])
def test_the_application_sees_nothing_of_the_preload(start, refork):
    server = start("preload_facts", *(["--refork-after", "5"] if refork else []), env={"LD_PRELOAD": None})
    if refork:
        wait_for(lambda: facts(server) and "come from the zygote" in server.log, "workers of the worker's zygote")
    seen = facts(server)
    assert seen["environ"] is seen["child"] is seen["getenv"] is None
    assert not seen["initial"] and not seen["told"]
    assert not [link for link in seen["fds"] if "gosrv-worker" in link]
    for process in server.zygotes() + server.workers():
        assert not [link for link in procs.open_fds(process.pid).values() if "gosrv-worker" in link]


def test_the_users_own_preload_stays(start, own_library):
    server = start("preload_facts", env={"LD_PRELOAD": own_library})
    seen = facts(server)
    assert seen["environ"] == seen["child"] == seen["getenv"] == own_library
    assert seen["initial"] == ["LD_PRELOAD=" + own_library]
    assert own_library in seen["maps"] and own_library in seen["child_maps"]


def test_an_empty_preload_stays(start):
    seen = facts(start("preload_facts", env={"LD_PRELOAD": ""}))
    assert seen["environ"] == seen["getenv"] == seen["child"] == ""


def test_each_refuses_the_others_python():
    mine = harness.run_once("hello:application", env={"GOSRV_PYTHON": sys.executable})
    assert mine.returncode == 1
    assert "is built for glibc (/lib" in mine.stderr and "this gosrv for musl" in mine.stderr
    assert "%s -m pip install gosrv" % sys.executable in mine.stderr and "-py3-none-manylinux_2_17_x86_64.whl" in mine.stderr
    theirs = subprocess.run([os.environ["GOSRV_GLIBC_BIN"], "--python", harness.python(), "hello:application"], cwd=harness.APPS,
                            env=harness.environment(), capture_output=True, text=True, timeout=30)
    assert theirs.returncode == 1
    assert "is built for musl (/lib/ld-musl-x86_64.so.1), this gosrv for glibc" in theirs.stderr
    assert "-py3-none-musllinux_1_2_x86_64.whl" in theirs.stderr


def test_a_script_that_runs_the_others_python(tmp_path):
    """As pyenv's: what counts is the program that it runs."""
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\nexec "%s" "$@"\n' % sys.executable)
    script.chmod(0o755)
    done = harness.run_once("hello:application", env={"GOSRV_PYTHON": script})
    assert done.returncode == 1 and "this gosrv for musl" in done.stderr


def test_pip_takes_the_right_wheel(tmp_path):
    """There are wheels for both C libraries; each Python's own pip chooses."""
    for python, tag in ((harness.python(), "musllinux_1_2_x86_64"), (sys.executable, "manylinux_2_17_x86_64")):
        home = tmp_path / tag
        subprocess.run([os.path.realpath(python), "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index", "--find-links", os.environ["GOSRV_WHEELS"], "gosrv"],
                       check=True, capture_output=True)
        record = next(home.glob("lib/python3*/site-packages/gosrv-*.dist-info/WHEEL")).read_text()
        assert "Tag: py3-none-" + tag in record
        done = subprocess.run([str(home / "bin" / "gosrv"), "--version", "--verbose"], env=harness.environment(GOSRV_PYTHON=None),
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and str(home / "bin" / "python") in done.stdout, done.stderr


def without_glibc():
    """What stands before a command that is to see a root without glibc, where things of ours lie where they lie here."""
    root = os.environ["GOSRV_MUSL_ROOT"]
    steps = []
    for place in [str(harness.TESTS), str(harness.binary().parent), "/tmp", "/dev", "/proc"]:
        steps += ["mkdir -p '%s%s'" % (root, place), "mount --rbind '%s' '%s%s'" % (place, root, place)]
    return mounts.under(*steps) + ["chroot", root]


@mounts.needed
def test_on_a_machine_without_glibc(start, tmp_path):
    server = start("numbered", "-w", "2", "--chdir", str(harness.APPS), "--log-level", "info", program=[*without_glibc(), str(harness.binary())],
                   balance=False, log_level=None, ready="/?0")
    maps = "".join(Path("/proc/%d/maps" % process.pid).read_text() for process in server.workers())
    assert "-linux-musl/" in maps and "libc.so.6" not in maps
    with Clients(server.address) as clients:
        clients.progress(60)
        old = server.wait_workers(2)
        server.send_signal(1)  # HUP
        server.wait_workers(2, without=old)
        clients.progress(60)
    assert clients.bad == 0, clients.evidence
