"""Server hooks of the configuration file: order, arguments and effects are Gunicorn's."""
import signal

import pytest
import requests

import harness
from masters import order
from waiting import wait_for


class Hooks:
    """What the hooks of apps/hookconf.py wrote, line by line."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        return [tuple(line.split(" ", 1)) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def all(self):
        return [text for _, text in self.lines()]

    def named(self, *names):
        return [text for text in self.all() if text.split("(")[0] in names]

    def wait(self, name, count=1):
        wait_for(lambda: len(self.named(name)) >= count, lambda: "%d x %s in %s" % (count, name, self.all()), 20)


@pytest.fixture
def hooked(start, tmp_path):
    def make(*args, **kw):
        hooks = Hooks(tmp_path / "hooks")
        kw.setdefault("balance", False)
        server = start("sleeping", "-c", "hookconf.py", *args, env={"HOOK_LOG": hooks.path, **kw.pop("env", {})}, **kw)
        return server, hooks

    return make


WORKER_LIFE = ["pre_fork", "post_fork", "post_worker_init", "worker_exit", "child_exit"]


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_the_life_of_a_server(hooked, args, tmp_path):
    pidfile = tmp_path / "pid"
    server, hooks = hooked("-w", "1", "--pid", pidfile, *args, ready=None)
    hooks.wait("post_worker_init")
    server.get("/fast?x=1")
    hooks.wait("post_request")
    server.send_signal(signal.SIGTTIN)
    hooks.wait("post_worker_init", 2)
    if server.kind == "gosrv":  # there the end of the hook is not yet the worker's readiness
        wait_for(lambda: "2 of 2 ready" in order("status", "--pid", pidfile).stdout, "both workers")
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert hooks.named("on_starting", "when_ready", "nworkers_changed", "on_exit") == [
        "nworkers_changed(server(num_workers=1), 1, None)",
        "on_starting(server(num_workers=1))",
        "when_ready(server(num_workers=1))",
        "nworkers_changed(server(num_workers=2), 2, 1)",
        "on_exit(server(num_workers=2))",
    ]
    assert hooks.named("pre_request", "post_request") == [
        "pre_request(worker(age=%d), req(GET /fast))" % age for age in (1, 2) if "pre_request(worker(age=%d), req(GET /fast))" % age in hooks.all()
    ] + ["post_request(worker(age=%d), req(GET /fast), dict, resp(200 OK))" % age for age in (1, 2)
         if "pre_request(worker(age=%d), req(GET /fast))" % age in hooks.all()]
    for age in (1, 2):
        mine = [line.split("(")[0] for line in hooks.named(*WORKER_LIFE) if "worker(age=%d)" % age in line]
        assert mine == WORKER_LIFE
    assert hooks.named("gone from WORKERS") and not hooks.named("still in WORKERS")
    assert hooks.all()[-1].startswith("on_exit")


def test_which_process_runs_what(hooked):
    server, hooks = hooked("-w", "1", ready=None)
    hooks.wait("post_worker_init")
    worker = str(server.wait_workers(1)[0])
    server.stop()
    in_worker = {text.split("(")[0] for pid, text in hooks.lines() if pid == worker}
    assert in_worker == {"post_fork", "post_worker_init", "worker_exit"}


def test_reload(hooked):
    server, hooks = hooked("-w", "1", ready=None)
    hooks.wait("post_worker_init")
    server.send_signal(signal.SIGHUP)
    hooks.wait("child_exit")
    assert hooks.named("nworkers_changed", "on_reload", "on_starting", "when_ready")[3:] == [
        "nworkers_changed(server(num_workers=1), 1, 1)", "on_reload(server(num_workers=1))"]
    assert hooks.named("child_exit") == ["child_exit(server(num_workers=1), worker(age=1))"]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGQUIT], ids=lambda s: s.name)
def test_worker_int(hooked, sig):
    server, hooks = hooked("-w", "1", ready="/fast")  # served: its boot is over, whose end the hook is not yet
    server.send_signal(sig, server.wait_workers(1)[0])
    hooks.wait("child_exit")
    assert hooks.named("worker_int", "worker_exit") == ["worker_int(worker(age=1))", "worker_exit(server(num_workers=1), worker(age=1))"]


@pytest.mark.not_green("a greenlet that waits is not late")
def test_worker_abort(hooked, tmp_path):
    server, hooks = hooked("-w", "1", "--timeout", "1", ready=None, env={"GATE": tmp_path / "gate"})
    hooks.wait("post_worker_init")
    with server.wire() as wire:
        wire.send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n")
        stuck = int(server.wait_log(r"BEGIN +(\d+)")[0].group(1))
        name = lambda: [text for pid, text in hooks.lines() if pid == str(stuck) and text.startswith("post_fork(")][0].split(", ")[1][:-1]
        # A worker whose boot takes a second, on a slow machine, is aborted before it has the request.
        wait_for(lambda: "child_exit(server(num_workers=1), %s)" % name() in hooks.all(), lambda: "the end of %d in %s" % (stuck, hooks.lines()))
    assert [text for pid, text in hooks.lines() if pid == str(stuck)].count("worker_abort(%s)" % name()) == 1


EXPORTER = """
import http.server, os, threading
seen = os.environ["SEEN"]

def when_ready(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"metrics")
        def log_message(self, *args):
            pass
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    server.log.info("exporter at port %d", exporter.server_port)

def child_exit(server, worker):
    with open(seen, "a") as out:
        out.write("%d\\n" % worker.pid)
"""


@pytest.mark.gosrv_only("a parity run would show the same; Gunicorn's hooks run in the master itself")
def test_an_exporter_of_when_ready_lives_as_long_as_the_server(start, tmp_path):
    conf = tmp_path / "conf.py"
    conf.write_text(EXPORTER)
    seen = tmp_path / "seen"
    seen.touch()
    server = start("hello", "-c", conf, "-w", "1", env={"SEEN": seen})
    port = int(server.wait_log(r"exporter at port (\d+)")[0].group(1))
    pids = []
    for _ in range(5):
        pids.append(server.wait_workers(1)[0])
        server.send_signal(signal.SIGHUP)
        server.wait_workers(1, without=pids)
        assert requests.get("http://127.0.0.1:%d/" % port, timeout=5).text == "metrics"
    wait_for(lambda: len(seen.read_text().split()) >= 5, "child_exit of all")
    assert seen.read_text().split() == [str(pid) for pid in pids]
    wait_for(lambda: len(server.zygotes()) == 2, lambda: "the first one, for its thread, and the newest, not %s" % server.zygotes())


RECYCLING = {
    "alive": "worker.alive = False",
    "sigterm": "__import__('os').kill(worker.pid, 15)",
    "sighup": "__import__('os').kill(worker.ppid, 1)",
}


@pytest.mark.parametrize("way", sorted(RECYCLING))
def test_recycling_idioms(start, tmp_path, way):
    conf = tmp_path / "conf.py"
    conf.write_text("def post_request(worker, req):\n    if req.path == '/last':\n        %s\n" % RECYCLING[way])
    server = start("hello", "-c", conf, "-w", "1")
    old = server.wait_workers(1)
    assert server.get("/last").status_code == 200
    server.wait_workers(1, without=old)
    assert server.get("/").status_code == 200


def test_a_hook_that_raises_before_the_start_ends_it(start, tmp_path):
    import harness

    conf = tmp_path / "conf.py"
    conf.write_text("def on_starting(server):\n    raise RuntimeError('not today')\n")
    ended = harness.run_once("hello", "-c", conf, "-b", "127.0.0.1:0")
    assert ended.returncode != 0
    assert "not today" in ended.stderr


def test_a_quick_stop_during_the_boot_is_no_failure(start, tmp_path):
    """The signal meets the worker within post_worker_init, where its boot is not over."""
    (tmp_path / "conf.py").write_text("""
import os, signal

home = os.path.dirname(os.path.abspath(__file__))


def post_worker_init(worker):
    if worker.age == 1:
        os.kill(os.getpid(), signal.SIGQUIT)


def worker_exit(server, worker):
    with open(os.path.join(home, "left"), "a") as out:
        out.write("%d\\n" % worker.age)
""")
    server = start("hello", "-c", tmp_path / "conf.py", balance=False)
    server.wait_log(harness.BOOTING.pattern, count=2)
    assert (tmp_path / "left").read_text() == "1\n" and "failed to boot" not in server.log
