"""Children, threads and signals of the application: what breaks first when an interpreter is embedded."""
import json
import resource
import signal
import subprocess

import pytest

import harness
import procs
from waiting import wait_for
from wire import once

PIPE = pytest.mark.not_green("gevent closes a pipe with its loop's next turn, and the application reads it to its end before that")
POOL = pytest.mark.not_green("Pool's own threads read pipes without giving way, under Gunicorn too")


@pytest.fixture(scope="module", params=["sync", "threads", "preload"])
def children(start_shared, request):
    more = {"sync": [], "threads": ["--threads", "2"], "preload": ["--preload"]}[request.param]
    return start_shared("children", "-w", "2", *more)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "path, answer",
    [
        ("/fork", 7),
        ("/fork_twice", 0),
        ("/subprocess", ["42", 5]),
        ("/mp_spawn", [True, 0]),
        ("/mp_forkserver", [True, 0]),
        pytest.param("/pool", [0, 1, 4, 9, 16], marks=POOL),
        pytest.param("/daemonize", True, marks=PIPE),
    ],
)
def test_children_of_the_application(children, path, answer):
    assert children.get(path).json() == answer


@pytest.mark.matrix
def test_programs_begin_with_the_signals_of_any_other(children):
    """As those that a plain python starts: nothing is ignored or blocked that is not there. Gunicorn's workers give the signals
    that a job in the background ignores (nohup, &) their default, so the tests may run in one."""
    def in_front():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)

    plain = subprocess.run([harness.python(), "-c", "import children; print(__import__('json').dumps(children.exec_signals()))"],
                           cwd=harness.APPS, capture_output=True, text=True, check=True, preexec_fn=in_front)
    assert children.get("/exec_signals").json() == json.loads(plain.stdout)


@pytest.mark.parametrize("hook", ["on_starting(server)", "when_ready(server)", "post_fork(server, worker)"])
def test_programs_of_hooks_begin_so_too(start, tmp_path, hook):
    (tmp_path / "conf.py").write_text("import children, json\ndef %s:\n    server.log.info('SIGNALS %%s', json.dumps(children.exec_signals()))\n" % hook)
    server = start("-c", tmp_path / "conf.py", "children")
    said = server.wait_log(r"SIGNALS (.*)")[0].group(1)
    assert {one["SigIgn"] for one in json.loads(said)} == {one["SigIgn"] for one in server.get("/exec_signals").json()}


@pytest.mark.gosrv_only("a forked child of Gunicorn's worker inherits its handlers, and takes SIGTERM for a request to drain")
@pytest.mark.matrix
@pytest.mark.parametrize(
    "path, answer",
    [
        ("/mp_fork", [True, 0]),
        ("/mp_terminate", -signal.SIGTERM),
        pytest.param("/pool_terminate", [0, 1, 4, 9, 16], marks=POOL),
        ("/sigterm_child", -signal.SIGTERM),
    ],
)
def test_children_that_are_told_to_end(children, path, answer):
    assert children.get(path).json() == answer


@PIPE
@pytest.mark.gosrv_only("a forked child of Gunicorn's worker holds its sockets")
def test_a_forked_child_holds_no_socket_of_the_server(children):
    assert children.get("/pieces").text == "onetwo"  # begins the thread that sends what waits
    assert children.get("/fork_fds").json() == []


@pytest.mark.gosrv_only("a child of Gunicorn's worker that returns answers too")
@pytest.mark.matrix
def test_a_forked_child_that_returns_answers_nothing(children):
    got = once(children.address, b"GET /fork_return HTTP/1.1\r\nHost: t\r\n\r\n")
    assert b"answer of the parent" in got
    assert b"ANSWER OF THE CHILD" not in got
    assert got.count(b"HTTP/1.1") == 1
    workers = children.worker_pids()

    def copies():
        return [p for p in procs.group(children.pid) if p.ppid in workers and p.title.startswith("gosrv: worker")]

    wait_for(lambda: not copies(), lambda: "the child's end: %s" % copies())
    assert children.get("/").status_code == 200


@PIPE
@pytest.mark.gosrv_only("a child of Gunicorn's worker that returns serves on")
def test_a_forked_child_that_returns_waits_for_no_lock(children):
    """Another thread of the parent's held that of sys.stdout: nobody ever opens it in the child."""
    got = once(children.address, b"GET /fork_printing HTTP/1.1\r\nHost: t\r\n\r\n")
    assert got.endswith(b"\r\n\r\n0")


@PIPE
def test_orphans_leave_no_zombies(children):
    """What the application leaves behind becomes the master's child; the application's own children are its own to wait for."""
    for _ in range(3):
        children.get("/fork")
        children.get("/daemonize")
    wait_for(lambda: not [p for p in procs.table() if p.ppid == children.pid and p.state == "Z"], "no zombie")


@pytest.mark.matrix
def test_a_background_thread_runs_while_the_server_idles(start, tmp_path):
    server = start("background_thread", env={"TICKS": tmp_path / "ticks"})
    server.get()
    first = int(server.get().text)
    wait_for(lambda: int(server.get().text) >= first + 50, "50 ticks between requests")
    before = (tmp_path / "ticks").stat().st_size
    wait_for(lambda: (tmp_path / "ticks").stat().st_size >= before + 50, "50 ticks without a request")


@pytest.mark.matrix
@pytest.mark.not_green("what is local to a thread is local to a greenlet, and each request has its own")
def test_thread_locals_live_from_request_to_request(start):
    server = start("thread_local")
    first = server.get().json()
    counts = [server.get().json() for _ in range(10)]
    assert [fact["count"] for fact in counts] == list(range(first["count"] + 1, first["count"] + 11))
    assert len({fact["ident"] for fact in counts}) == 1
    assert {fact["class"] for fact in counts} == {"_MainThread"}


@pytest.fixture(params=["import", "preload"])
def signals(start, request):
    return start("signal_handlers", *(["--preload"] if request.param == "preload" else []))


@pytest.mark.matrix
class TestSignals:
    """Python-level handlers of the application work, whenever they were set."""

    def test_a_handler_set_at_import(self, signals):
        answer = signals.get("/alarm").json()
        assert answer["answer"] == ["SIGALRM"] and answer["main"] is not bool(harness.worker_class())

    def test_a_handler_runs_while_the_worker_idles(self, signals):
        pid = signals.wait_workers(1)[0]
        signals.send_signal(signal.SIGALRM, pid)
        wait_for(lambda: "SIGALRM" in signals.get().json()["seen"], "the handler")

    def test_a_handler_set_later(self, signals):
        assert signals.get("/later").json()["answer"] == "set"
        signals.send_signal(signal.SIGUSR2, signals.wait_workers(1)[0])
        wait_for(lambda: "SIGUSR2" in signals.get().json()["seen"], "the handler")

    def test_a_chained_sigterm_handler(self, signals):
        assert signals.get("/chain_term").json()["answer"] is True
        pid = signals.wait_workers(1)
        signals.send_signal(signal.SIGTERM, pid[0])
        signals.wait_log("MY SIGTERM FIRST")
        signals.wait_workers(1, without=pid)
        assert signals.get().status_code == 200

    def test_the_table_of_handlers(self, signals):
        table = signals.get("/table").json()["answer"]
        assert table["SIGALRM"] == "callable"
        assert all(table[name] == "callable" for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGABRT"))
        assert table["SIGPIPE"] == "SIG_IGN"
        assert table["SIGCHLD"] == "SIG_DFL"


@pytest.mark.gosrv_only("a replaced SIGTERM handler makes Gunicorn wait for its time-out")
def test_a_replaced_sigterm_handler_still_drains(start):
    server = start("signal_handlers")
    server.get("/own_term")
    server.stop()


def test_a_handler_set_in_the_config_file(start, tmp_path):
    (tmp_path / "conf.py").write_text(
        "import signal, os\n\ndef post_worker_init(worker):\n"
        "    signal.signal(signal.SIGUSR2, lambda signum, frame: os.write(2, b'CONF HANDLER RAN\\n'))\n"
    )
    server = start("hello", "-c", tmp_path / "conf.py")
    server.send_signal(signal.SIGUSR2, server.wait_workers(1)[0])
    server.wait_log("CONF HANDLER RAN")
    assert server.get().text == "hello app"


def test_faulthandler_dumps_the_stacks(start):
    server = start("crashing")
    pids = server.worker_pids()
    server.get("/traceback")
    server.wait_log(r'File ".*crashing\.py", line \d+ in application')
    assert server.worker_pids() == pids


@PIPE
def test_writing_to_a_closed_pipe_is_an_exception(start, tmp_path):
    (tmp_path / "piped.py").write_text(
        "import os\n\ndef application(environ, start_response):\n    r, w = os.pipe()\n    os.close(r)\n"
        "    try:\n        os.write(w, b'x')\n        said = b'no error'\n    except BrokenPipeError:\n        said = b'BrokenPipeError'\n"
        "    os.close(w)\n    start_response('200 OK', [])\n    return [said]\n"
    )
    assert start("piped", cwd=tmp_path).get().text == "BrokenPipeError"


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_deep_recursion_is_a_recursion_error(start, tmp_path, args):
    (tmp_path / "deep.py").write_text(
        "def down(n):\n    return down(n + 1)\n\ndef application(environ, start_response):\n    if environ['PATH_INFO'] == '/deep':\n        down(0)\n"
        "    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    server = start("deep", *args, cwd=tmp_path)
    pids = server.worker_pids()
    assert server.get("/deep").status_code == 500
    server.wait_log("RecursionError")
    assert server.get().text == "ok" and server.worker_pids() == pids


def test_the_limit_of_descriptors_is_the_users(start, tmp_path):
    (tmp_path / "limits.py").write_text(
        "import json, resource\n\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)).encode()]\n"
    )
    assert tuple(start("limits", cwd=tmp_path).get().json()) == resource.getrlimit(resource.RLIMIT_NOFILE)


@pytest.mark.not_green("its thread is a greenlet, for which the end does not wait, under Gunicorn neither")
def test_atexit_and_threads_run_at_the_end(start, tmp_path):
    """A worker's end runs atexit handlers and waits for non-daemon threads, as the end of `python` does."""
    (tmp_path / "ending.py").write_text(
        "import atexit, os, threading\n\natexit.register(lambda: os.write(2, b'ATEXIT RAN\\n'))\nstop = threading.Event()\n\n"
        "def wait():\n    stop.wait(0.3)\n    os.write(2, b'THREAD ENDED\\n')\n\n"
        "def application(environ, start_response):\n    threading.Thread(target=wait).start()\n    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    server = start("ending", cwd=tmp_path)
    server.send_signal(signal.SIGTERM)
    server.wait_end()
    assert "ATEXIT RAN" in server.log
    assert "THREAD ENDED" in server.log
