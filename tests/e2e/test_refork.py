"""--refork-after: a worker that has served becomes the parent of the zygote that later workers are forked from."""
import json
import re
import shutil
import signal
import socket
import threading

import pytest

import procs
from classifier import Clients
from losses import CLASSES, KEEP_ALIVE, STEP, idle_timeout
from waiting import wait_for
from wire import Closed, Wire

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn forks its workers from its master only"),
    pytest.mark.not_green("it is refused beside these classes"),
]
N = 10
DONE = r"All workers of generation 1 come from the zygote \(pid:(\d+)\)"


def ask(server, path="/"):
    with server.wire(30) as wire:
        return json.loads(wire.get(path, "Connection: close").body)


def ask_until(server, pattern):
    """Requests until the log has the pattern; returns its group."""
    def look():
        ask(server)
        return re.search(pattern, server.log)

    return wait_for(look, "%r in the log, now\n%s" % (pattern, server.log), 60).group(1)


def left(pid):
    """What a zygote has no use for: files of a Go runtime, memory of a worker, more than the one socket."""
    links = list(procs.open_fds(pid).values())
    sockets = [link for link in links if link.startswith("socket:")]
    return sockets[1:] + [link for link in links if re.search(r"eventpoll|eventfd|memfd|cgroup|cpu\.max", link)]


def threads(pid):
    return int(re.search(r"^Threads:\s+(\d+)", open("/proc/%d/status" % pid).read(), re.M).group(1))


@pytest.mark.matrix
@pytest.mark.parametrize("args", [("--preload",), (), ("--threads", "3")], ids=["preload", "import", "threads"])
def test_later_workers_know_what_their_model_knew(start, args):
    server = start("warming", "-w", "2", "--refork-after", N, *args, ready=None)
    before = server.wait_workers(2)
    zygote = int(ask_until(server, DONE))
    server.wait_workers(2, without=before)
    wait_for(lambda: [p.pid for p in server.zygotes()] == [zygote], "the end of the old zygote")
    assert threads(zygote) == 1, "what forks must run no Go"
    wait_for(lambda: not left(zygote), lambda: "a zygote without %s" % left(zygote))
    for _ in range(4):
        told = ask(server)
        assert told["pid"] not in before and told["served"] > N and told["imported_in"] not in (told["pid"], zygote)
    # it forks as any zygote does, and workers die and are recycled as ever
    pids = server.wait_workers(2)
    procs.kill(pids[0])
    server.wait_workers(2, without=pids[:1])
    assert ask(server)["served"] > N
    server.balance = False


def test_hooks_run_as_for_any_worker(start, tmp_path):
    conf = tmp_path / "conf.py"
    conf.write_text("""
import os
def pre_fork(server, worker): server.log.info("pre_fork in %s, age %s", os.getpid(), worker.age)
def post_fork(server, worker): server.log.info("post_fork in %s, age %s", os.getpid(), worker.age)
def worker_exit(server, worker): server.log.info("worker_exit in %s", os.getpid())
def child_exit(server, worker): server.log.info("child_exit in %s of %s", os.getpid(), worker.pid)
def post_request(worker, req, environ, resp): pass
logconfig_dict = {
    "version": 1, "handlers": {"all": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["all"]},
    "loggers": {name: {"handlers": ["all"], "level": "DEBUG", "propagate": False} for name in ("gunicorn.error", "gunicorn.access")},
}
""")
    server = start("warming", "-w", "1", "-c", conf, "--refork-after", N, ready=None)
    model = server.wait_workers(1)[0]
    zygote = int(ask_until(server, DONE))
    last = server.wait_workers(1, without=[model])[0]
    server.wait_log(r"pre_fork in %d, age 3" % zygote)
    server.wait_log(r"post_fork in %d, age 3" % last)
    server.wait_log(r"worker_exit in %d" % model)
    assert "refork_after:" not in server.log, "the server's own threads and connections are nobody's loss"
    procs.kill(last)
    server.wait_log(r"child_exit in %d of %d" % (zygote, last))
    server.balance = False


@pytest.mark.parametrize("worker_class", list(CLASSES))
def test_no_request_is_lost(start, worker_class):
    server = start("numbered", "-w", "4", "--log-level", "info", "--refork-after", 2 * N, *KEEP_ALIVE, *CLASSES[worker_class],
                   balance=False, log_level=None, ready="/?0")
    with Clients(server.address, idle_timeout=idle_timeout(server)) as clients:
        server.wait_log(DONE, 90)
        clients.progress(STEP)
        server.send_signal(signal.SIGHUP)
        server.wait_log("All workers of generation 2 come from the zygote", 90)
        clients.progress(STEP)
        server.send_signal(signal.SIGTERM)
        assert server.wait_end(60) == 0
    assert "No zygote of a worker" not in server.log
    shutil.rmtree(server.dir, ignore_errors=True)
    assert clients.bad == 0, "%s\n%s" % (clients, clients.evidence)


class Gated:
    """A server whose only worker is to fork a zygote, has been told to, and is still at a request."""

    def __init__(self, start, *args):
        self.server = start("warming", "-w", "1", "--refork-after", N, *args, ready=None, balance=False)
        self.model = self.server.wait_workers(1)[0]
        self.gate = self.server.dir / "gate"
        self.answer = []
        for _ in range(N - 1):
            ask(self.server)
        self.client = threading.Thread(target=self.wait)
        self.client.start()
        self.server.wait_log(r"Worker \(pid:%d\) is told to fork a zygote" % self.model, 60)

    def wait(self):
        try:
            with Wire(self.server.address, timeout=60) as wire:
                self.answer.append(json.loads(wire.get("/gate?%s" % self.gate, "Connection: close").body)["pid"])
        except (OSError, Closed) as e:
            self.answer.append(e)

    def open(self):
        self.gate.write_text("")
        self.client.join(60)
        return self.answer[0]


def test_a_model_that_is_killed_has_a_successor(start):
    gated = Gated(start)
    procs.kill(gated.model)
    gated.server.wait_log("No zygote of a worker: the worker ended without it")
    gated.open()
    ask_until(gated.server, DONE)
    assert ask(gated.server)["pid"] != gated.model


def test_a_zygote_that_is_killed_is_replaced(start):
    server = start("warming", "-w", "2", "--refork-after", N, ready=None, balance=False)
    zygote = int(ask_until(server, DONE))
    pids = server.wait_workers(2)
    procs.kill(zygote)
    server.wait_log(r"Zygote \(pid:\d+\) of generation 1 is ready")
    procs.kill(pids[0])
    server.wait_workers(2, without=pids[:1])
    assert ask(server)["pid"]


def test_hup_meanwhile_wins(start):
    gated = Gated(start)
    gated.server.send_signal(signal.SIGHUP)
    gated.server.wait_log("Generation 2 serves", 60)
    assert gated.open() == gated.model, "what had begun is answered"
    gated.server.wait_workers(1, without=[gated.model])
    wait_for(lambda: len(gated.server.zygotes()) == 1, "one zygote")
    assert "of generation 1 comes from a worker" not in gated.server.log
    ask_until(gated.server, "All workers of generation (2) come from the zygote")


def test_term_meanwhile_wins(start):
    gated = Gated(start)
    gated.server.send_signal(signal.SIGTERM)
    gated.server.wait_log("Handling signal: term")
    assert gated.open() == gated.model
    assert gated.server.wait_end(60) == 0


def test_what_cannot_be_loaded_leaves_all_as_it_was(start):
    server = start("warming", "-w", "1", "--refork-after", N, ready=None)
    before = server.zygotes()[0].pid
    ask(server, "/break")
    ask_until(server, "(No zygote of a worker): cannot load gosrv once more: ")
    wait_for(lambda: [p.pid for p in server.zygotes()] == [before], lambda: "one zygote, not %s" % server.zygotes())
    for _ in range(2 * N):
        ask(server)
    assert server.log.count("is to become the parent") == 1, "a generation tries it once"


def test_what_a_fork_breaks_is_named(start):
    server = start("warming", "-w", "1", "--refork-after", N, ready=None)
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = database.getsockname()[1]
        ask(server, "/thread")
        ask(server, "/connect?%d" % port)
        ask_until(server, DONE)
        server.wait_log(r"refork_after: .*threads .*: later\.")
        server.wait_log(r"refork_after: .*connections .* to 127\.0\.0\.1:%d\." % port)


def test_off_by_default(start):
    server = start("warming", "-w", "1")
    before = server.worker_pids()
    for _ in range(2 * N):
        ask(server)
    assert server.worker_pids() == before and "zygote of" not in server.log
