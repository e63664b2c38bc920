"""Where something of the machine is used up or not there: the disk, descriptors, processes, /proc. Each has a clear line, and a server that
goes on or ends with a reason."""
import os
import re
import signal

import pytest

import cgroups
import harness
import mounts
import procs
from masters import order
from refusing import machine
from test_autoreload import newer
from test_machine_refuses import ends, limited
from test_reload import site  # noqa: F401
from waiting import wait_for

pytestmark = [pytest.mark.gosrv_only("Gunicorn fails otherwise"), pytest.mark.not_green("the start is what it is about")]

LOST = r"gosrv: \[%d\] the error log cannot be written: no space left on device; its lines are lost until it can\n"


def test_an_error_log_on_a_full_disk(start):
    """Each process says so once, on standard error, and the server serves."""
    server = start("raising", "-w", "2", "--error-logfile", "/dev/full", ready=None, listens=False, bind="unix:DIR/s.sock")
    server.addresses = [str(server.dir / "s.sock")]
    server._answered("/")
    wait_for(lambda: re.search(LOST % server.pid, server.log), "the master's line")
    worker = server.worker_pids()[0]
    wait_for(lambda: re.search(LOST % worker, server.log), "a worker's line")
    assert "Traceback" not in server.log and "Logging error" not in server.log
    server.balance = False


@mounts.needed
def test_an_error_log_whose_disk_gets_room_again(start, tmp_path):
    """What was lost is counted, and said when there is room."""
    log = tmp_path / "log"
    full = mounts.under(mounts.small(tmp_path, "16k"), "head -c 16384 /dev/zero > '%s/filler'; : > '%s'" % (tmp_path, log))
    server = start("hello", "--error-logfile", log, program=full + harness.command(), ready=None, listens=False, bind="unix:/dev/shm/gosrv-e2e-full.sock")
    server.addresses = ["/dev/shm/gosrv-e2e-full.sock"]
    server._answered("/")
    root = "/proc/%d/root" % server.pid
    os.unlink("%s%s/filler" % (root, tmp_path))
    server.send_signal(signal.SIGTTIN)
    wait_for(lambda: re.search(r"\[%d\] \[WARNING\] Lines of this log that are lost: \d+\n" % server.pid, open(root + str(log)).read()), "how many were lost")
    server.balance = False


@mounts.needed
def test_a_pidfile_on_a_full_disk(tmp_path):
    full = mounts.under(mounts.small(tmp_path, "4k"), "echo > '%s/filler'" % tmp_path)
    code, text = ends(full, "hello", "--pid", tmp_path / "pid")
    assert code == 1 and "creating pidfile %s: no space left on device" % (tmp_path / "pid") in text


@mounts.needed
def test_without_proc():
    code, text = ends(mounts.under("mount -t tmpfs none /proc"), "hello")
    assert code == 1 and text.startswith("gosrv: error: /proc is not mounted here") and text.count("\n") == 1, text


@mounts.needed
def test_a_read_only_root(start):
    """Memory files need no directory, and large bodies lie in memory."""
    server = start("read_body", "-w", "2", program=mounts.under("mount -o remount,bind,ro /", "mount -t tmpfs -o ro none /dev/shm", 'cd "$PWD"') + harness.command(),
                   env={"TMPDIR": None, "TEMP": None, "TMP": None})
    server.wait_log("No directory takes large request bodies")
    assert server.post("/read", data=bytes(20 << 20)).json()["length"] == 20 << 20
    before = server.worker_pids()
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=before)


@mounts.needed
def test_a_read_only_root_and_no_memory_files():
    """Then there is nothing to share memory by: the call, the kernel and what was tried are named."""
    refused = mounts.under("mount -o remount,bind,ro /", "mount -t tmpfs -o ro none /dev/shm", 'cd "$PWD"') + machine("memfd_create=ENOSYS")
    code, text = ends(refused, "hello")
    assert code == 1
    assert re.search(r"memfd_create: function not implemented \(Linux %s\), and no file can take its place: .*/dev/shm.*read-only file system.*/tmp" % re.escape(os.uname().release), text), text


@mounts.needed
@pytest.mark.matrix
def test_without_dev_shm(start):
    server = start("hello", "-w", "2", program=mounts.under("mount -t tmpfs -o ro none /dev/shm") + harness.command())
    assert server.get().text == "hello app"


def test_inotify_used_up(start, site):  # noqa: F811
    """--reload looks at the files itself, whatever --reload-engine says."""
    used_up = machine("inotify_init1=EMFILE", "inotify_add_watch=ENOSPC") + harness.command()
    server = start("mine", "--reload", "--reload-engine", "inotify", cwd=site.folder, balance=False, program=used_up)
    site.answer("second")
    newer(site.folder / "mine.py")
    wait_for(lambda: server.get().text == "second", "new code")


@pytest.mark.parametrize("count", [5, 40])
def test_a_descriptor_limit_too_low_to_start(count):
    code, text = ends(limited("RLIMIT_NOFILE", count), "hello")
    assert code == 1 and text.startswith("gosrv: error: RLIMIT_NOFILE is %d (ulimit -n, LimitNOFILE=)" % count) and text.count("\n") == 1, text


HOG = """
import os, threading, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hog":
        threading.Thread(target=hog, args=(environ["QUERY_STRING"],), daemon=True).start()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def hog(until):
    held = []
    while not os.path.exists(until):
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            time.sleep(0.01)
    for fd in held:
        os.close(fd)
"""


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_an_application_that_uses_all_descriptors_up(start, tmp_path, args):
    """Connections wait, a line says why, and they are served when there are descriptors again."""
    (tmp_path / "hogging.py").write_text(HOG)
    server = start("hogging", *args, cwd=tmp_path, program=limited("RLIMIT_NOFILE", 200) + harness.command())
    with server.wire() as wire:
        wire.get("/hog?%s" % (tmp_path / "enough"), "Connection: close")
    [worker] = server.worker_pids()
    wait_for(lambda: len(procs.open_fds(worker)) == 200, "the last descriptor")
    with server.wire() as first, server.wire() as second:
        for wire in first, second:
            wire.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        server.wait_log(r"\[ERROR\] Cannot accept connections at 127.0.0.1:\d+: too many open files: the limit of this process is 200 \(ulimit -n, LimitNOFILE=\)")
        (tmp_path / "enough").touch()
        assert first.answer().body == b"ok" and second.answer().body == b"ok"
    assert server.log.count("Cannot accept") == 1


@pytest.fixture
def few():
    group = cgroups.make(1000, cgroups.PIDS)
    if group.path is None:
        pytest.skip("needs a cgroup of the pids controller")
    yield group
    group.remove()


@pytest.mark.parametrize("count", [3, 8])
def test_too_few_processes_to_start(few, count):
    few.change(count)
    code, text = ends(few.program([]), "hello")
    assert code == 1
    assert re.fullmatch(r"gosrv: error: only \d of the 8 threads that the Go runtime needs could be started \(Resource temporarily unavailable\): raise the limit .*"
                        r"ulimit -u, TasksMax=, docker run --pids-limit, pids.max of the cgroup\)\n", text), text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give its rights up")
def test_too_few_processes_of_the_workers_user():
    """RLIMIT_NPROC does not hold for root, but for whom root becomes."""
    code, text = ends(limited("RLIMIT_NPROC", 4), "hello", "--preload", "--user", "54321", "--group", "54321")
    assert code == 3 and re.search(r"\[ERROR\] Worker cannot serve: only \d of the 8 threads", text), text
    assert "SIGABRT" not in text


def test_no_process_for_a_new_worker(few, start, tmp_path):
    """The others serve on; the next one comes when it may."""
    server = start("hello", "-w", "2", "--pid", tmp_path / "pid", program=few.program(harness.command()), balance=False)
    first, second = server.wait_workers(2)
    wait_for(lambda: order("status", "--pid", tmp_path / "pid").stdout.count("workers: 2 of 2 ready"), "both workers' readiness")
    few.change(1)
    procs.kill(first)
    server.wait_log(r"\[ERROR\] Cannot fork a worker: .*Resource temporarily unavailable: as many processes and threads as there may be \(ulimit -u, TasksMax=")
    assert server.get().text == "hello app"
    few.change("max")
    server.wait_workers(2, without=[first])


def test_no_process_for_a_reload(few, start):
    server = start("hello", program=few.program(harness.command()), balance=False)
    before = server.wait_workers(1)
    few.change(1)
    server.send_signal(signal.SIGHUP)
    server.wait_log("Cannot fork a worker: .*as many processes|Reload failed|Zygote .* is started again")
    assert server.get().text == "hello app"
    few.change("max")
    server.send_signal(signal.SIGHUP)
    server.wait_workers(1, without=before, timeout=40)
