"""The files of cmd/gosrv/examples do what they say, as far as a machine without their platforms can tell."""
import json
import os
import re
import signal
import subprocess
import threading

import pytest
import requests

import harness
import nginx
from listening import free_port
import procs
from wire import Wire
from waiting import wait_for

pytestmark = [pytest.mark.gosrv_only("the examples start gosrv"), pytest.mark.not_green("the examples name their class")]
EXAMPLES = harness.ROOT / "cmd" / "gosrv" / "examples"

APP = """
import json
import os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":
        body = b"ok"
    elif environ["PATH_INFO"] == "/big":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (b"x" * 65536 for _ in range(1000))
    else:
        facts = {key: environ.get(key) for key in ("wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_CONNECTION", "REQUEST_METHOD")}
        body = json.dumps(dict(facts, pid=os.getpid(), length=len(environ["wsgi.input"].read()))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def project(tmp_path):
    """A project under the name that the examples use, and a folder for PATH that holds the program."""
    (tmp_path / "myproject").mkdir()
    (tmp_path / "myproject" / "__init__.py").write_text("")
    (tmp_path / "myproject" / "wsgi.py").write_text(APP)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gosrv").symlink_to(harness.binary())
    return tmp_path


def checked(command, project):
    """A command line of an example, as a configuration check: names, values and the application are good."""
    assert command[0] == "gosrv"
    done = harness.run_once(*command[1:], "--check-config", cwd=project)
    assert done.returncode == 0, done.stderr


def test_procfile(project):
    name, _, command = (EXAMPLES / "Procfile").read_text().strip().partition(": ")
    assert name == "web"
    port = free_port()
    env = harness.environment(PORT=port, WEB_CONCURRENCY=2, PATH="%s:%s" % (project / "bin", os.environ["PATH"]))
    with open(project / "out", "wb") as out:
        server = subprocess.Popen(["sh", "-c", command], cwd=project, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        said = lambda: (project / "out").read_text()
        wait_for(lambda: said().count("Booting worker") == 2, said)
        assert "Listening at: http://0.0.0.0:%d" % port in said()

        def ask():
            try:
                return requests.get("http://127.0.0.1:%d/seen" % port, timeout=30).status_code
            except requests.ConnectionError:
                return None

        assert wait_for(ask, "an answer") == 200
        wait_for(lambda: '"GET /seen HTTP/1.1" 200' in said(), said)
        # The platform signals the whole group.
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        wait_for(lambda: not procs.group(server.pid), "no process left")
        assert "Shutting down: Master" in said()
    finally:
        for proc in procs.group(server.pid):
            procs.kill(proc.pid)
        server.wait()


INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "CMD"}


def test_dockerfile(project):
    """Before any image is built (test_containers.py does): every instruction is known, copies come from a stage there is, and the command line is a good one."""
    lines = [line for line in (EXAMPLES / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    steps = [line.split(None, 1) for line in lines]
    assert {name for name, _ in steps} == INSTRUCTIONS
    stages, user = [], None
    for name, text in steps:
        if name == "FROM":
            found = re.fullmatch(r"(python:3\.\d+-slim)(?: AS (\w+))?", text)
            stages.append(found.group(2))
            user = None
        elif name == "USER":
            user = text
        elif name == "COPY" and text.startswith("--from="):
            assert text.split()[0][len("--from="):] in stages[:-1]
    assert len(stages) == 2 and int(user) > 0
    assert steps[-1][0] == "CMD"
    checked(json.loads(steps[-1][1]), project)


def test_kubernetes(project):
    """No cluster here: the container's command line is a good one, and the times fit into each other."""
    text = (EXAMPLES / "kubernetes.yaml").read_text()
    assert "\t" not in text
    kinds = [re.search(r"^kind: (\w+)$", part, re.M).group(1) for part in text.split("\n---\n")]
    assert kinds == ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]
    command = json.loads(re.search(r"^ +args: (\[.*\])$", text, re.M).group(1))
    checked(command, project)
    assert re.findall(r"httpGet: \{path: (\S+), port: http\}", text) == ["/healthz"] * 3
    port = re.search(r"containerPort: (\d+)", text).group(1)
    assert command[command.index("--bind") + 1].endswith(":" + port)
    granted, pause = (int(re.search(name, text).group(1)) for name in (r"terminationGracePeriodSeconds: (\d+)", r"sleep: \{seconds: (\d+)\}"))
    shown = harness.run_once("--print-config", "myproject.wsgi", cwd=project).stdout
    assert granted > pause + int(re.search(r"^graceful_timeout\s*= (\d+)$", shown, re.M).group(1))


def configured(project, listener, addresses):
    """The example with this test's paths in place of the machine's; nothing else is changed."""
    text = (EXAMPLES / "nginx.conf").read_text()
    (project / "static").mkdir()
    (project / "static" / "site.css").write_text("body {}")
    for folder in ("body", "proxy"):
        (project / folder).mkdir(exist_ok=True)
    for old, new in {
        "user www-data;": "user root;" if os.geteuid() == 0 else "",
        "worker_processes auto;": "worker_processes 1; daemon off; error_log error.log info;",
        "pid /run/nginx.pid;": "pid nginx.pid;",
        "    sendfile on;\n": "    sendfile on;\n    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;"
                             " scgi_temp_path scgi; access_log access.log;\n",
        "listen 80;": "listen %s:%d;" % listener,
        "/run/gosrv/gosrv.sock": addresses,
        "/srv/myproject/static/": "%s/" % (project / "static"),
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Front(nginx.Nginx):
    """nginx with the example's configuration."""

    def __init__(self, project, address):
        self.project, self.upstream = project, address
        super().__init__([])

    def config(self, lanes):
        return configured(self.project, self.address, self.upstream)


@pytest.fixture
def behind(start, project):
    """gosrv at the socket of the example, and nginx before it."""
    server = start("myproject.wsgi", "-w", "2", cwd=project, bind="unix:DIR/gosrv.sock", ready="/healthz")
    front = Front(project, server.address)
    yield server, front
    front.stop()


needs_nginx = pytest.mark.skipif(not nginx.NGINX, reason=nginx.MISSING)


@needs_nginx
def test_nginx(behind, project):
    server, front = behind
    with front.wire() as wire:
        facts = json.loads(wire.get("/", "X-Forwarded-Proto: https", "Cookie: a=1").body)
        assert facts == {"wsgi.url_scheme": "http", "HTTP_HOST": "test", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_CONNECTION": None,
                         "REQUEST_METHOD": "GET", "pid": facts["pid"], "length": 0}
        assert facts["pid"] in server.worker_pids()
        assert wire.get("/static/site.css").body == b"body {}"
        wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        assert json.loads(wire.answer().body)["length"] == 7
    # A client that goes away in the middle of an answer takes nothing along.
    pids = server.worker_pids()
    with front.wire() as wire:
        wire.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        while len(wire.kept) < 300000:
            wire.more()
    for _ in range(10):
        with front.wire() as wire:
            assert wire.get("/healthz").body == b"ok"
    assert server.worker_pids() == pids


@needs_nginx
def test_nginx_sees_no_reload(behind):
    server, front = behind
    over, failures, count = threading.Event(), [], [0]

    def ask():
        while not over.is_set():
            try:
                with Wire(front.address, 60) as wire:
                    for method in ("GET", "POST", "GET"):
                        answer = wire.get("/healthz", method=method, body=b"x" if method == "POST" else b"")
                        if answer.status != 200:
                            failures.append(answer)
                        count[0] += 1
            except OSError as failure:
                failures.append(failure)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(5):
            old, mark = server.wait_workers(2), count[0] + 30
            server.send_signal(signal.SIGHUP)
            server.wait_workers(2, without=old)
            wait_for(lambda: count[0] > mark or failures, "answers")
    finally:
        over.set()
        for client in clients:
            client.join()
    assert not failures and not front.complaints(), "%s\n%s" % (failures[:5], front.complaints()[:5])
