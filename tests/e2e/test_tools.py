"""Tools that applications are started with or looked at by, and extension modules that they load: each is used for real, and what
it should have brought about is looked for. `make tools`; needs requirements-tools.txt."""
import gzip
import http.server
import json
import os
import re
import socket
import subprocess
import sysconfig
import textwrap
import threading

import pytest

import harness
from listening import free_port
from waiting import wait_for

pytestmark = [pytest.mark.tools, pytest.mark.gosrv_only("what is tried is gosrv")]
SCRIPTS = sysconfig.get_path("scripts")
WAYS = {"sync": (), "preload": ("--preload", "-w", "2"), "threads": ("--threads", "4")}
ways = pytest.mark.parametrize("args", list(WAYS.values()), ids=list(WAYS))

SHOP = """
    import os
    import threading

    from flask import Flask

    app = Flask(__name__)

    @app.route("/")
    def home():
        return "home"

    @app.route("/price/<int:number>")
    def price(number):
        return str(cost(number))

    def cost(number):
        total = number * 2  # breakpoint
        return total

    @app.route("/broken")
    def broken():
        raise LookupError("no such price")

    held = threading.Event()

    @app.route("/slow")
    def slow():
        wait_for_the_bank()
        return "paid"

    def wait_for_the_bank():
        held.wait(60)
"""


@pytest.fixture
def shop(tmp_path):
    """A folder with the application; write(text) puts something before it."""

    def write(before=""):
        (tmp_path / "shop.py").write_text(textwrap.dedent(before) + textwrap.dedent(SHOP))
        return tmp_path

    return write


@pytest.fixture
def collector():
    """Stands in for an agent: keeps what is sent to it as (path, body), and agrees to everything."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_PUT = do_POST

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.received = received
    server.url = "http://127.0.0.1:%d" % server.server_address[1]
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sent(collector, path, *words):
    """Wait for a message to `path` that holds all the words; gives its body."""

    def look():
        return [body for at, body in list(collector.received) if re.search(path, at) and all(word in body for word in words)]

    return wait_for(look, lambda: "%s with %s among %s" % (path, words, [(at, body[:200]) for at, body in collector.received]), 30)[0]


def launched(start, launcher, folder, args, env, **kw):
    """Start gosrv by a launcher, which executes it with a sitecustomize of its own before the application."""
    program = [os.path.join(SCRIPTS, launcher[0]), *launcher[1:], str(harness.binary())]
    return start("shop:app", *args, program=program, cwd=folder, env={"PATH": SCRIPTS + ":" + os.environ["PATH"], **env}, **kw)


@ways
def test_ddtrace_run(start, shop, collector, args):
    env = {"DD_TRACE_AGENT_URL": collector.url, "DD_SERVICE": "the-shop", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
           "DD_REMOTE_CONFIGURATION_ENABLED": "false"}
    server = launched(start, ["ddtrace-run"], shop(), args, env)
    assert server.get("/price/21").text == "42"
    sent(collector, "/traces", b"the-shop", b"flask.request", b"GET /price/<int:number>")
    # A worker that comes later has its tracer, too.
    old = server.worker_pids()
    server.send_signal(harness.signal.SIGHUP)
    server.wait_workers(len(old), without=old, timeout=60)
    collector.received.clear()
    assert server.get("/price/22").text == "44"
    sent(collector, "/traces", b"/price/22")


@ways
def test_opentelemetry_instrument(start, shop, collector, args):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "the-shop",
           "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    server = launched(start, ["opentelemetry-instrument"], shop(), [*args, "--access-logfile", "-", "--access-log-format", "json"], env)
    assert server.get("/price/21").text == "42"
    sent(collector, "/v1/traces", b"the-shop", b"GET /price/<int:number>")
    # Each worker goes on with the trace of who asks, and the server's line names it; so does one that comes later.
    workers = set(server.worker_pids())
    collector.received.clear()
    traces = ["%032x" % (0x0af7651916cd43dd8448eb211c80319c + n) for n in range(20)]
    for trace in traces:
        server.get("/price/1", headers={"traceparent": "00-%s-b7ad6b7169203331-01" % trace})
    for trace in traces:
        sent(collector, "/v1/traces", bytes.fromhex(trace))
    wait_for(lambda: all(trace in server.out for trace in traces), "the traces in the access log")
    for pid in workers:
        os.kill(pid, harness.signal.SIGTERM)
    server.wait_workers(len(workers), without=workers, timeout=60)
    late = "%032x" % 0xf7651916cd43dd8448eb211c80319c01
    server.get("/price/2", headers={"traceparent": "00-%s-b7ad6b7169203331-01" % late})
    sent(collector, "/v1/traces", bytes.fromhex(late))


@ways
def test_sentry(start, shop, collector, args):
    folder = shop("""
        import sentry_sdk

        sentry_sdk.init(dsn=%r, traces_sample_rate=1.0)
    """ % collector.url.replace("//", "//key@").__add__("/1"))
    server = start("shop:app", *args, cwd=folder)
    assert server.get("/broken").status_code == 500
    event = sent(collector, "/api/1/envelope", b'"no such price"')
    assert b"LookupError" in event and b"/broken" in event and b"in_app" in event


@ways
def test_newrelic_admin(start, shop, args):
    """In developer mode nothing is sent: what shows is that the application runs inside a transaction of the agent."""
    folder = shop("""
        import newrelic.agent
    """)
    with open(folder / "shop.py", "a") as source:
        source.write(textwrap.dedent("""
            @app.route("/transaction")
            def transaction():
                current = newrelic.agent.current_transaction()
                return "%s %s" % (current and current.name, current and current.background_task)
        """))
    (folder / "newrelic.ini").write_text(
        "[newrelic]\nlicense_key = %s\napp_name = the-shop\ndeveloper_mode = true\nlog_file = %s\nstartup_timeout = 10\n" % ("0" * 40, folder / "agent.log"))
    server = launched(start, ["newrelic-admin", "run-program"], folder, args, {"NEW_RELIC_CONFIG_FILE": folder / "newrelic.ini"})
    wait_for(lambda: server.get("/transaction").text == "shop:transaction False", lambda: "a transaction: %s" % server.get("/transaction").text)


@ways
def test_coverage(start, shop, args):
    """Started by sitecustomize, as coverage's documentation says for processes that it does not start itself."""
    folder = shop()
    (folder / ".coveragerc").write_text("[run]\nparallel = true\nsource = .\ndata_file = %s/data\n" % folder)
    (folder / "sitecustomize.py").write_text("import coverage\n\ncoverage.process_startup()\n")
    server = start("shop:app", *args, cwd=folder, env={"COVERAGE_PROCESS_START": folder / ".coveragerc", "PYTHONPATH": folder})
    assert server.get("/price/21").text == "42"
    server.stop()
    coverage = [os.path.join(SCRIPTS, "coverage")]
    subprocess.run(coverage + ["combine", "--quiet"], cwd=folder, check=True)
    subprocess.run(coverage + ["json", "--quiet", "-o", "report.json"], cwd=folder, check=True)
    lines = json.loads((folder / "report.json").read_text())["files"]["shop.py"]
    text = (folder / "shop.py").read_text().splitlines()
    seen = {text[number - 1].strip() for number in lines["executed_lines"]}
    assert "total = number * 2  # breakpoint" in seen and 'raise LookupError("no such price")' not in seen


class Debugger:
    """A client of the debug adapter protocol, as an editor is."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.sock.makefile("rb")
        self.number = 0

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.sock.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def wait(self, kind, name):
        """Read until a message of that kind: ("event", "stopped"), ("response", "attach")."""
        while True:
            size = int(self.file.readline().split(b":")[1])
            self.file.readline()
            message = json.loads(self.file.read(size))
            if message["type"] == kind and message[{"event": "event", "response": "command"}[kind]] == name:
                assert message.get("success", True), message
                return message.get("body") or {}

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.wait("response", command)

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_debugpy_attach(start, shop, args):
    port = free_port()
    folder = shop("""
        import debugpy

        debugpy.listen(("127.0.0.1", %d))
    """ % port)
    server = start("shop:app", "--timeout", "0", *args, cwd=folder, balance=False)
    line = 1 + (folder / "shop.py").read_text().splitlines().index("    total = number * 2  # breakpoint")
    debugger = Debugger(port)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(server.get("/price/21").text))
    try:
        debugger.ask("initialize", adapterID="test", pathFormat="path")
        debugger.send("attach", justMyCode=False)
        debugger.wait("event", "initialized")
        found = debugger.ask("setBreakpoints", source={"path": str(folder / "shop.py")}, breakpoints=[{"line": line}])
        assert found["breakpoints"][0]["verified"]
        debugger.ask("configurationDone")
        asking.start()
        thread = debugger.wait("event", "stopped")["threadId"]
        frame = debugger.ask("stackTrace", threadId=thread)["stackFrames"][0]
        assert (frame["name"], frame["line"]) == ("cost", line)
        assert debugger.ask("evaluate", expression="number + 1", frameId=frame["id"])["result"] == "22"
        debugger.ask("continue", threadId=thread)
        asking.join(30)
        assert answers == ["42"]
        debugger.ask("disconnect")
    finally:
        debugger.close()
    assert server.get("/price/1").text == "2"


@ways
def test_py_spy_dump(start, shop, args):
    server = start("shop:app", *args, cwd=shop(), balance=False)
    with server.wire() as wire:
        wire.send("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n")
        spy = lambda pid: subprocess.run([os.path.join(SCRIPTS, "py-spy"), "dump", "--pid", str(pid)], capture_output=True, text=True, timeout=60)

        def look():
            done = [spy(pid) for pid in server.worker_pids()]
            assert all(one.returncode == 0 for one in done), [one.stderr for one in done]
            return [one.stdout for one in done if "wait_for_the_bank (shop.py" in one.stdout]

        dump, = wait_for(look, "the function that waits, in a dump", 60)
        assert "slow (shop.py" in dump
    server.signal_group(harness.signal.SIGQUIT)
    server.wait_end()


@ways
def test_extension_modules(start, args):
    server = start("extensions", *args, balance=False)
    for _ in range(2):
        for name in ("numpy", "psycopg", "lxml", "cryptography", "orjson", "grpc", "pillow", "uvloop"):
            assert server.get("/" + name).text.startswith("good "), name
    assert "Preloading left" not in server.log
