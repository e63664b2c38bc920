"""Nothing outlives a master that is killed: a worker that serves drains, and whatever is stuck is ended by the kernel or by itself."""
import signal

import pytest

import harness
import procs
from test_stop import in_background
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn's workers look for their master when they are not at something else")
WAYS = ["python", "compute", "keep_gil", "sleep", "deaf"]
STUCK_CONF = "import never_ends\n"
STUCK_HOOK = """
def post_fork(server, worker):
    import never_ends
    never_ends.get_stuck()
"""


def killed(server, within):
    """Kills the master and waits until nobody is left of its processes."""
    wait_for(lambda: len(procs.group(server.pid)) > 1, "its processes")
    server.send_signal(signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not procs.group(server.pid), lambda: "the end of %s\n%s" % (procs.group(server.pid), server.log), within)
    server.stopped = True


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["worker", "zygote"])
def test_an_import_that_never_ends(start, args, way):
    server = start("never_ends", *args, env={"STUCK_AT": "import", "STUCK_IN": way}, ready=None, listens=False, balance=False)
    server.wait_log("STUCK")
    killed(server, 5)


@pytest.mark.parametrize("conf", [STUCK_CONF, STUCK_HOOK], ids=["config", "post_fork"])
def test_a_configuration_that_never_ends(start, tmp_path, conf):
    (tmp_path / "conf.py").write_text(conf)
    at = "import" if conf is STUCK_CONF else "request"
    server = start("-c", tmp_path / "conf.py", "never_ends", env={"STUCK_AT": at, "STUCK_IN": "keep_gil"}, ready=None, listens=False, balance=False)
    server.wait_log("STUCK")
    killed(server, 5)


def test_an_interpreter_that_never_starts(start, tmp_path):
    """A sitecustomize.py runs before there is anything of ours in Python."""
    (tmp_path / "sitecustomize.py").write_text("import never_ends\n")
    path = "%s:%s" % (tmp_path, harness.APPS)
    server = start("never_ends", env={"STUCK_AT": "import", "STUCK_IN": "sleep", "PYTHONPATH": path}, ready=None, listens=False, balance=False)
    server.wait_log("STUCK")
    killed(server, 5)


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("args", [(), ("--threads", "4")], ids=["sync", "threads"])
def test_a_request_that_never_ends(start, args, way):
    """It has the graceful time-out, as at any other stop."""
    server = start("never_ends", "-w", "2", "--graceful-timeout", "1", *args, env={"STUCK_AT": "request", "STUCK_IN": way}, balance=False)
    server.wait_workers(2)
    with server.wire() as wire:
        wire.send("GET /stuck HTTP/1.1\r\nHost: t\r\n\r\n")
        server.wait_log("STUCK")
        killed(server, 8)


@pytest.mark.parametrize("args", [(), ("--threads", "4")], ids=["sync", "threads"])
def test_a_request_that_ends_is_answered(start, tmp_path, args):
    server = start("sleeping", "--graceful-timeout", "60", *args, env={"GATE": tmp_path / "gate"}, balance=False)
    wire = server.wire()
    wire.send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n")
    server.wait_log("BEGIN")
    server.send_signal(signal.SIGKILL)
    server.process.wait()
    (tmp_path / "gate").touch()
    assert wire.answer().status == 200
    wait_for(lambda: not procs.group(server.pid), lambda: "the end of %s" % procs.group(server.pid))
    server.stopped = True


@pytest.mark.matrix
@pytest.mark.parametrize("place", ["config", "application"])
@pytest.mark.parametrize("args", [(), ("--threads", "4")], ids=["sync", "threads"])
def test_patched_by_gevent(start, tmp_path, args, place):
    """A configuration that works with Gunicorn's gevent class: greenlets would get no turn here, so threads are real ones."""
    (tmp_path / "conf.py").write_text("from gevent import monkey\nmonkey.patch_all()\n" if place == "config" else "")
    server = start("-c", tmp_path / "conf.py", "greenlets", "-w", "2", *args, env={"PATCH": place})
    server.wait_workers(2)
    if args:
        waits = [in_background(lambda: server.get("/wait")) for _ in range(8)]
        assert {wait().status_code for wait in waits} == {200}
    else:
        assert server.get("/wait").status_code == 200
    assert server.log.count("The module threading is patched") == (1 if args else 0)
    old = server.worker_pids()
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=old)
    assert server.get("/wait").status_code == 200
    killed(server, 10)
