"""Where the machine refuses something (system calls, descriptors): a clear line, and a server that goes on or ends with a reason."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import harness
import procs
from masters import order
from refusing import machine
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn makes no such calls, or fails otherwise"),
    pytest.mark.not_green("the start is what it is about"),
]


def refused(*calls):
    return machine(*calls) + harness.command()


@pytest.mark.matrix
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EACCES"])
def test_without_memory_files_it_serves_all_the_same(start, error):
    """As under an old kernel or a strict seccomp filter: unlinked files do."""
    server = start("hello", "-w", "2", program=refused("memfd_create=" + error))
    links = procs.open_fds(server.pid).values()
    assert not [link for link in links if "memfd" in link] and [link for link in links if "gosrv-scoreboard" in link]
    before = server.worker_pids()
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=before)
    assert server.get().text == "hello app"


def links_of(pid):
    try:
        return procs.open_fds(pid).values()
    except FileNotFoundError:  # it has ended since it was listed
        return ()


@pytest.mark.matrix
def test_without_memory_files_the_rest_works_too(start, tmp_path):
    """Stacks for the log, `gosrv status`, and zygotes from workers each need one."""
    server = start("warming", "--refork-after", "3", "--pid", tmp_path / "pid", program=refused("memfd_create=ENOSYS"), ready=None)
    seen = wait_for(lambda: [said for said in [order("status", "--pid", tmp_path / "pid")] if said.returncode == 0], "a server that serves", 20)
    assert str(server.pid) in seen[0].stdout
    first = server.wait_workers(1)
    for _ in range(5):
        server.get("/")
    wait_for(lambda: server.worker_pids() and not set(server.worker_pids()) & set(first), "a worker of the new zygote", 30)
    wait_for(lambda: not [link for p in server.zygotes() for link in links_of(p.pid) if ".memfile-" in link], "zygotes without the server's memory")


@pytest.mark.parametrize("error, text", [("ENOSYS", "function not implemented"), ("EPERM", "operation not permitted")])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_forbidden_accept_is_said_once(start, error, text, threads):
    server = start("hello", "--threads", threads, program=refused("accept4=" + error), ready=None)
    with server.wire() as first, server.wire() as second:
        server.wait_log(r"\[CRITICAL\] Cannot accept connections at 127.0.0.1:\d+: accept4: " + text)
        [worker] = server.worker_pids()
        before = ticks(worker)
        for wire in first, second:
            wire.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n").sock.settimeout(1.2)
            with pytest.raises(TimeoutError):
                wire.sock.recv(1)
        assert ticks(worker) - before < 60, "it spins"
    assert server.log.count("Cannot accept") == 1
    server.stop()


def ticks(pid):
    """Hundredths of a second on the CPU."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def ends(program, *args, env=None):
    """The server where it is expected to end by itself: (exit code, stderr)."""
    ended = subprocess.run([*program, *harness.command(), *map(str, args), "--bind", "127.0.0.1:0"], cwd=harness.APPS, env=harness.environment(**(env or {})),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stderr


def limited(name, amount):
    """What stands before a command that is to run under this resource limit."""
    return [sys.executable, "-c", "import os, resource, sys\nresource.setrlimit(resource.%s, (%d, %d))\nos.execv(sys.argv[1], sys.argv[1:])" % (name, amount, amount)]


@pytest.mark.parametrize("mib", [100, 700, 1200, 1600])
def test_an_address_space_too_small_for_go_is_said_in_one_line(mib):
    code, text = ends(limited("RLIMIT_AS", mib << 20), "hello")
    assert code == 1
    assert re.fullmatch(r"gosrv: error: RLIMIT_AS is %d MiB \(ulimit -v, LimitAS=\), and the Go runtime needs 2048 MiB beside the \d+ in use, though .*"
                        r"MemoryMax=.*--memory.*RLIMIT_DATA \(ulimit -d, LimitDATA=\) instead\n" % mib, text), text


def test_a_data_segment_too_small_for_go_is_said_in_one_line():
    code, text = ends(limited("RLIMIT_DATA", 100 << 20), "hello")
    assert code == 1 and text.startswith("gosrv: error: RLIMIT_DATA is 100 MiB") and text.count("\n") == 1, text


@pytest.mark.matrix
@pytest.mark.parametrize("where", ["config", "import", "preload"])
def test_a_limit_of_the_applications_own_is_said_before_go_starts(tmp_path, where):
    """Python goes on under it, and Go would not."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))\n"
    (tmp_path / "conf.py").write_text(limit if where == "config" else "")
    (tmp_path / "limited.py").write_text((limit if where != "config" else "") + "from hello import application\n")
    code, text = ends([], "limited", "-c", tmp_path / "conf.py", "--pythonpath", tmp_path, *["--preload"] * (where == "preload"))
    assert code == 3
    assert re.search(r"^\[.*\] \[ERROR\] Worker cannot serve: RLIMIT_AS is 1024 MiB .* instead$", text, re.M), text
    assert "Traceback" not in text and "goroutine" not in text


def test_enough_room_is_enough(start):
    """What is asked for suffices, with threads: a server under that limit serves."""
    server = start("hello", "-w", "2", "--threads", "4", program=limited("RLIMIT_AS", 2400 << 20) + harness.command())
    for _ in range(50):
        assert server.get().text == "hello app"


@pytest.fixture
def elsewhere():
    """A folder that every user may read, with a gosrv in it: the tests' own may lie in somebody's home."""
    folder = Path(tempfile.mkdtemp(prefix="gosrv-e2e-"))
    folder.chmod(0o755)
    shutil.copy(harness.binary(), folder / "gosrv")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("closed", ["base", "base/bin", "base/bin/python3"])
@pytest.mark.parametrize("by", ["--python", "VIRTUAL_ENV"])
def test_a_base_python_that_the_user_may_not_use_is_not_said_to_be_gone(elsewhere, closed, by):
    """Nor is another one taken in its place."""
    base, venv = elsewhere / "base" / "bin", elsewhere / "venv"
    base.mkdir(parents=True)
    shutil.copy("/bin/true", base / "python3")
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(base / "python3")
    (venv / "pyvenv.cfg").write_text("home = %s\nversion = 3.11.7\n" % base)
    (elsewhere / closed).chmod(0o600)
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    python = venv / "bin" / "python"
    argv = [elsewhere / "gosrv", "--check-config", "hello"] + ["--python", python] * (by == "--python")
    env = harness.environment(GOSRV_PYTHON=None, VIRTUAL_ENV=venv if by == "VIRTUAL_ENV" else None)
    ended = subprocess.run(argv, cwd="/", env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, **user)
    (elsewhere / closed).chmod(0o700)
    assert ended.returncode == 1
    assert "%s: user %d may not use %s: permission denied at %s" % (by, user.get("user", os.geteuid()), python, elsewhere / closed) in ended.stderr
    assert "gone" not in ended.stderr and "hint: let that user read it" in ended.stderr
