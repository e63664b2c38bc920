"""--health-path: answered by the server itself, on its own addresses and whatever the application is at."""
import contextlib
import os
import signal
import threading

import pytest
import requests

import harness
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn has no such path"),
    pytest.mark.not_green("the test names its classes"),
    pytest.mark.plain_only("over TLS only workers answer, and the tests hold them up"),
]
HEALTH = ("--health-path", "/healthz")


def ask(server, path="/healthz", **kw):
    """One question on a connection of its own, as a kubelet or a load balancer asks it."""
    return requests.get(server.url + path, timeout=5, headers={"Connection": "close"}, **kw)


@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("-k", "gevent")], ids=["sync", "threads", "gevent"])
def test_the_server_answers_and_the_application_never_hears_of_it(start, args):
    server = start("echo_request", *HEALTH, "--access-logfile", "-", *args)
    with server.wire() as wire:
        for query in ("", "?from=balancer"):
            answer = wire.get("/healthz" + query)
            assert (answer.status, answer.body) == (200, b"ok\n") and answer.get("Cache-Control") == "no-store"
        head = wire.get("/healthz", method="HEAD")
        assert (head.status, head.get("Content-Length"), head.body) == (200, "3", b"")
        wire.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 20 + "GET /after HTTP/1.1\r\nHost: a\r\n\r\n")  # pipelined
        assert [wire.answer().body for _ in range(20)] == [b"ok\n"] * 20
        assert b"ok\n" != wire.answer().body  # the application's
        for asked in (lambda: wire.get("/healthz", method="POST", body=b"x"), lambda: wire.get("/healthz/"), lambda: wire.get("/healthzz")):
            assert asked().body != b"ok\n"
        assert wire.get("/healthz", "Connection: close").get("Connection") == "close" and wire.closed()
    with server.wire() as wire:
        assert wire.get("/healthz", version="HTTP/1.0").status == 200 and wire.closed()
    wait_for(lambda: "GET /after" in server.out and "POST /healthz" in server.out, "the lines of the others")
    assert "GET /healthz HTTP" not in server.out and "HEAD" not in server.out


STUCK = {
    "sync": ("--workers", "1"), "workers": ("--workers", "2"), "kept": ("--workers", "2", "--no-hand-over"),
    "threads": ("--threads", "2"), "gevent": ("-k", "gevent"),
}


@contextlib.contextmanager
def occupied(server, requests_at_once):
    """As many requests as there are threads are inside the application in this block, and answered after it."""
    before = server.log.count("BEGIN")
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(server.get("/gate"))) for _ in range(requests_at_once)]
    for client in clients:
        client.start()
    server.wait_log("BEGIN", count=before + requests_at_once)
    yield
    for client in clients:
        client.join()
    assert [answer.status_code for answer in answers] == [200] * requests_at_once


@pytest.mark.parametrize("kind", STUCK)
def test_answered_while_all_of_the_application_is_stuck(start, tmp_path, kind):
    """And what else comes meanwhile is served when it can be."""
    gate = tmp_path / "gate"
    (tmp_path / "waits.py").write_text(
        "import ctypes, os\n"
        "sleep = ctypes.CDLL(None).usleep  # gevent has none in its place\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/gate':\n"
        "        environ['wsgi.errors'].write('BEGIN\\n')\n"
        "        while not os.path.exists(os.environ['GATE']):\n"
        "            sleep(10_000)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n")
    server = start("waits:app", *HEALTH, *STUCK[kind], env={"GATE": str(gate)}, cwd=tmp_path)
    threads = 1 if kind in ("sync", "gevent") else 2
    others = []
    with occupied(server, threads):
        waiting = [threading.Thread(target=lambda: others.append(server.get("/"))) for _ in range(3)]
        for client in waiting:
            client.start()
        for _ in range(5):
            answer = ask(server)
            assert (answer.status_code, answer.text) == (200, "ok\n")
        assert requests.head(server.url + "/healthz", timeout=5).status_code == 200
        with server.wire() as silent:  # one that says nothing is a worker's in the end
            assert ask(server).status_code == 200
            assert not others
            gate.touch()
            assert silent.get("/").status == 200
    for client in waiting:
        client.join()
    assert [answer.status_code for answer in others] == [200] * 3


@pytest.mark.parametrize("where", ["gil", "loop"])
def test_answered_while_python_is_stuck_for_good(start, where):
    server = start("stuck", *HEALTH, "--timeout", "60", balance=False)
    with server.wire() as wire:
        wire.send("GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % where)
        for _ in range(3):
            assert ask(server).status_code == 200
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGKILL)


def test_starting_until_a_worker_is_ready(start, tmp_path):
    """503 during the first import; what else comes waits for the worker. A reload whose import takes long changes nothing."""
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "while os.path.exists(os.environ['GATE']):\n"
        "    time.sleep(0.01)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n")
    gate = tmp_path / "import-gate"
    gate.touch()
    server = start("slow:app", *HEALTH, env={"GATE": str(gate)}, cwd=tmp_path, ready=None)
    answer = ask(server)
    assert (answer.status_code, answer.text) == (503, "starting\n")
    others = []
    early = threading.Thread(target=lambda: others.append(server.get("/")))
    early.start()
    assert ask(server).status_code == 503
    gate.unlink()
    early.join()
    assert others[0].text == "hello" and ask(server).status_code == 200
    gate.touch()
    server.send_signal(signal.SIGHUP)
    assert ask(server).status_code == 200
    gate.unlink()
    server.wait_log("Generation 2 serves")


def test_stopping_is_said_and_a_reload_is_none(start, tmp_path):
    gate = tmp_path / "gate"
    server = start("sleeping", *HEALTH, "--threads", "2", env={"GATE": str(gate)})
    with occupied(server, 1), server.wire() as wire:
        assert wire.get("/healthz").status == 200
        server.send_signal(signal.SIGTERM)

        def stopping():
            with contextlib.suppress(OSError):
                answer = wire.get("/healthz")
                return answer.status == 503 and answer.body == b"stopping\n" and answer.get("Connection") == "close"

        assert wait_for(stopping, "the word of the stop")
        gate.touch()
    server.wait_end()


@pytest.mark.parametrize("value", ["healthz", "/health check", "/h?x", "/hé"])
def test_what_is_no_path_is_refused(value):
    done = harness.run_once("hello", "--health-path", value)
    assert done.returncode != 0 and "no path from /" in done.stderr, done.stderr
