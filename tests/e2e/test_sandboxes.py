"""Sandboxes and old kernels that lack system calls, as gVisor, old seccomp profiles and old kernels do: gosrv serves, or says which one is missing."""
import signal
import subprocess

import pytest

import harness
from refusing import NUMBERS, machine

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn makes no such calls, or fails otherwise"),
    pytest.mark.not_green("the way in is what it is about"),
]
# What there is no way round: Go's runtime stands on these.
NEEDED = ("epoll_create1", "eventfd2", "pipe2", "dup3")
# accept4 and inotify have tests of their own (test_machine_refuses.py, test_autoreload.py): a line in the log.
SAID = ("accept4", "inotify_init1", "inotify_add_watch")
SPARED = sorted(set(NUMBERS) - set(NEEDED) - set(SAID))


def serves(start, *refused):
    server = start("large_body", "-w", "2", "--threads", "2", program=machine(*refused) + harness.command(), ready=None)
    server.wait_workers(2)
    for size in (0, 100, 3 << 20):
        assert server.post("/", data=b"x" * size).status_code == 200
    before = server.worker_pids()
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=before)
    assert server.post("/", data=b"x").status_code == 200
    assert "WARNING" not in server.log and "ERROR" not in server.log and "CRITICAL" not in server.log
    server.stop()


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("name", SPARED)
def test_one_is_missing(start, name, error):
    if name == "clone3" and error == "EPERM":
        pytest.skip("that stops every program of a newer C library: the next test")
    serves(start, "%s=%s" % (name, error))


def test_a_profile_older_than_the_c_library():
    """Docker before 20.10.10 answered EPERM to a call that it did not know; C libraries go on to the older one on ENOSYS only."""
    refused_with("clone3=EPERM", "a seccomp filter refuses to start threads (clone3: Operation not permitted)")


@pytest.mark.matrix
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_all_are_missing(start, error):
    serves(start, *("%s=%s" % (name, "ENOSYS" if name == "clone3" else error) for name in SPARED))


@pytest.mark.matrix
@pytest.mark.parametrize("error, text", [("ENOSYS", "Function not implemented"), ("EPERM", "Operation not permitted")])
@pytest.mark.parametrize("name", NEEDED)
def test_what_it_cannot_do_without(name, error, text):
    refused_with("%s=%s" % (name, error), "the system call %s is refused here (%s), and gosrv cannot do without it" % (name, text))


def refused_with(refused, line):
    done = subprocess.run([*machine(refused), *harness.command(), "hello", "--bind", "127.0.0.1:0"], cwd=harness.APPS, env=harness.environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("gosrv: error: " + line) and done.stderr.count("\n") == 1, done.stderr
