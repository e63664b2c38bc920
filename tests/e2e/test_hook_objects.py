"""What hooks and logger classes reach: the objects have Gunicorn's names, and their values mean the same."""
import json
import signal
import sys

import pytest

import harness
from waiting import wait_for

pytestmark = pytest.mark.matrix


class Said:
    """What a configuration file wrote to $SAID, an object a line."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def named(self, name):
        return [value for said, value in self.lines() if said == name]

    def wait(self, name, count=1):
        wait_for(lambda: len(self.named(name)) >= count, lambda: "%d x %s in %s" % (count, name, self.lines()), 30)
        return self.named(name)[count - 1]


PREAMBLE = """
import json, os, sys
def say(name, value=None):
    with open(os.environ["SAID"], "a") as out:
        out.write(json.dumps([name, value]) + "\\n")
"""

APP = """
def application(environ, start_response):
    body = repr(sorted((k, v) for k, v in environ.items() if isinstance(v, str))).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Twice", "1"), ("X-Twice", "2")])
    return [body]
"""


@pytest.fixture
def hooked(start, tmp_path):
    """Starts a server with a configuration file; gives it and what the file says."""

    def make(conf, *args, app=APP, **kw):
        (tmp_path / "app.py").write_text(app)
        (tmp_path / "gunicorn.conf.py").write_text(PREAMBLE + conf)
        said = Said(tmp_path / "said")
        kw.setdefault("balance", False)
        return start("app", *args, cwd=tmp_path, env={"SAID": said.path, **kw.pop("env", {})}, **kw), said

    return make


# --- names ------------------------------------------------------------------------------------------------------------

def dump(start, tmp_path, kind, args):
    """Starts one of the servers with apps/hook_objects.py and lets each hook run that signals can bring about."""
    out = tmp_path / kind
    program = [sys.executable, "-m", "gunicorn", "--no-control-socket"] if kind == "gunicorn" else None
    server = start("hook_objects:application", "-c", "hook_objects.py", "-w", "1", "--pid", tmp_path / (kind + ".pid"), *args, server=kind,
                   program=program, env={"OBJECTS": out}, balance=False)

    def seen():
        whole = out.read_text().rpartition("\n")[0] if out.exists() else ""
        return {json.loads(line)["hook"] for line in whole.splitlines()}

    wait_for(lambda: "post_request" in seen(), lambda: "post_request in %s" % seen())
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: "child_exit" in seen(), lambda: "child_exit in %s" % seen())
    server.send_signal(signal.SIGINT)
    assert server.wait_end() == 0
    found = {}
    for line in out.read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["hook"], row["objects"])
    return found


# A value that is there earlier or longer than in Gunicorn, by object and name.
EARLIER = {("server.app", "callable"), ("worker", "tpool"), ("worker", "poller"), ("server.LISTENERS[]", "sock"), ("worker.sockets[]", "sock"),
           ("server.cfg.settings[on_exit]", "type"), ("worker.cfg.settings[on_exit]", "type")}


@pytest.mark.gosrv_only("it asks both servers")
@pytest.mark.not_green("the names are those of sync and gthread")
@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("--preload",)], ids=["sync", "threads", "preload"])
def test_every_object_has_gunicorns_names(start, tmp_path, args):
    gunicorn = pytest.importorskip("gunicorn")
    assert gunicorn.__version__ == "27.0.1", "the reference"
    theirs, ours = dump(start, tmp_path, "gunicorn", args), dump(start, tmp_path, "gosrv", args)
    asked, wrong = 0, []
    for hook, objects in theirs.items():
        for path, names in objects.items():
            for name, kind in names.items():
                asked += 1
                found = ours[hook].get(path, {}).get(name, "missing")
                if found != kind and not (kind == "NoneType" and (path, name) in EARLIER):
                    wrong.append("%s: %s.%s is %s, in Gunicorn %s" % (hook, path, name, found, kind))
    assert not wrong and asked > 20000
    assert set(ours) == set(theirs)


# --- values -----------------------------------------------------------------------------------------------------------

ADDRESSES = """
def facts(server):
    return {"address": server.address, "names": [s.getsockname() for s in server.LISTENERS], "texts": [str(s) for s in server.LISTENERS],
            "listening": [s.getsockopt(1, 30) for s in server.LISTENERS], "asked": [s.cfg_addr for s in server.LISTENERS]}
def when_ready(server): say("when_ready", facts(server))
def post_fork(server, worker):
    say("post_fork", facts(server))
    say("sockets", [s.getsockname() for s in worker.sockets])
def post_worker_init(worker): say("post_worker_init", [[s.getsockname(), s.getsockopt(1, 30)] for s in worker.sockets])
def pre_request(worker, req): say("pre_request", [s.getsockname() for s in worker.sockets])
"""


def test_addresses_are_those_of_the_sockets(hooked, tmp_path):
    server, said = hooked(ADDRESSES, "-w", "1", bind=["127.0.0.1:0", "unix:DIR/sock", "[::1]:0"])
    server.get()
    unix, port6 = str(server.dir / "sock"), server.addresses[2][1]
    names = [["127.0.0.1", server.port], unix, ["::1", port6, 0, 0]]
    facts = said.wait("when_ready")
    assert facts["address"] == facts["asked"] == [["127.0.0.1", 0], unix, ["::1", 0]]
    assert facts["names"] == names and facts["listening"] == [1, 1, 1]
    assert facts["texts"] == ["http://127.0.0.1:%d" % server.port, "unix:" + unix, "http://[::1]:%d" % port6]
    assert said.wait("post_fork") == facts
    assert said.wait("sockets") == said.wait("pre_request") == names
    assert said.wait("post_worker_init") == [[name, 1] for name in names]


def test_a_worker_that_leaves_takes_its_duplicates_along(hooked):
    """A duplicate of a listening socket that outlives the hook would keep the port open after the server's end."""
    server, said = hooked(ADDRESSES, "-w", "2")
    said.wait("post_worker_init", 2)
    server.stop()
    harness.Server("app", cwd=said.path.parent, bind="127.0.0.1:%d" % server.port, env={"SAID": said.path}).stop()


PROGRAM = """
def when_ready(server):
    say("when_ready", [server.app.callable is not None, server.app.app_uri, server.app.cfg is server.cfg])
def post_worker_init(worker):
    say("post_worker_init", [worker.app.callable is worker.wsgi, worker.app.wsgi() is worker.wsgi, worker.app.callable.__name__])
def post_fork(server, worker): say("post_fork", [worker.app is server.app, isinstance(worker, server.worker_class), worker.timeout, worker.pid == os.getpid()])
"""


@pytest.mark.parametrize("args", [(), ("--preload",), ("--threads", "2")], ids=["sync", "preload", "threads"])
def test_the_application_is_there(hooked, args):
    _, said = hooked(PROGRAM, "-w", "1", "--timeout", "9", *args)
    assert said.wait("when_ready") == ["--preload" in args, "app", True]
    assert said.wait("post_worker_init") == [True, True, "application"]
    assert said.wait("post_fork") == [True, True, 4.5, True]


REQUESTS = """
def pre_request(worker, req):
    say("pre_request", {"headers": req.headers, "remote": "%s:%d" % req.remote_addr, "peer": req.peer_addr == req.remote_addr,
                        "line": [req.method, req.uri, req.path, req.query, req.fragment, req.version, req.scheme]})
def post_request(worker, req, environ, resp):
    say("post_request", {"headers": req.headers, "port": environ["REMOTE_PORT"], "resp": [resp.status, resp.status_code, resp.sent, resp.response_length],
                         "out": resp.headers, "chunked": resp.chunked, "same": resp.req is req})
"""


def test_a_request_has_the_fields_as_they_came(hooked):
    server, said = hooked(REQUESTS, "-w", "1", ready=None)
    with server.wire() as wire:
        answer = wire.get("/a%20b?x=1", "X-Two: 1", "Cookie: a=1", "x-two:  2 \t", "X_Dropped: 3", "Cookie: b=2", "TE: trailers", "Accept: */*")
        port = wire.sock.getsockname()[1]
    before, after = said.wait("pre_request"), said.wait("post_request")
    fields = [["HOST", "test"], ["X-TWO", "1"], ["COOKIE", "a=1"], ["X-TWO", "2"], ["COOKIE", "b=2"], ["TE", "trailers"], ["ACCEPT", "*/*"]]
    assert sorted(before["headers"]) == sorted(fields) and [f for f in before["headers"] if f[0] != "HOST"] == fields[1:]
    assert before["remote"] == "127.0.0.1:%d" % port and before["peer"] and after["port"] == str(port)
    assert before["line"] == ["GET", "/a%20b?x=1", "/a%20b", "x=1", "", [1, 1], "http"]
    length = len(answer.body)
    assert after["headers"] == before["headers"] and after["resp"] == ["200 OK", 200, length, length]
    assert after["out"] == [["Content-Length", str(length)], ["X-Twice", "1"], ["X-Twice", "2"]] and not after["chunked"] and after["same"]


def test_behind_a_proxy_header_the_peer_is_the_proxy(hooked):
    conf = """
def pre_request(worker, req): say("peer", ["%s:%d" % req.remote_addr, req.proxy_protocol_info])
def post_request(worker, req, environ, resp): say("client", [environ["REMOTE_ADDR"], environ["REMOTE_PORT"]])
"""
    server, said = hooked(conf, "-w", "1", "--proxy-protocol", "auto", ready=None)
    with server.wire() as wire:
        wire.send("PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n")
        wire.get("/")
        port = wire.sock.getsockname()[1]
    info = {"proxy_protocol": "TCP4", "client_addr": "192.0.2.7", "client_port": 4711, "proxy_addr": "198.51.100.1", "proxy_port": 80}
    assert said.wait("peer") == ["127.0.0.1:%d" % port, info] and said.wait("client") == ["192.0.2.7", "4711"]


def test_the_peer_of_a_unix_socket_has_no_address(hooked):
    server, said = hooked("def pre_request(worker, req): say('peer', [req.remote_addr, req.peer_addr])", "-w", "1", bind="unix:DIR/sock", ready=None)
    with server.wire() as wire:
        wire.get("/")
    assert said.wait("peer") == ["", ""]


LOGGED = """
logconfig_dict = {
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "access.log"}, "stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False, "qualname": "gunicorn.access"},
                "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False, "qualname": "gunicorn.error"}}}
access_log_format = "%({x-two}i)s %({script_name}i)s %(s)s"
"""


def test_a_logging_configuration_sees_the_fields_without_any_hook(hooked, tmp_path):
    server, _ = hooked(LOGGED, "-w", "1", "--forwarded-allow-ips", "10.0.0.1,192.0.2.0/24", ready=None)
    with server.wire() as wire:
        wire.get("/a", "X-Two: 1", "X-Two: 2", "SCRIPT_NAME: /x")
    log = tmp_path / "access.log"
    wait_for(lambda: log.exists() and log.read_text() == "2 - 200\n", lambda: "the line in %r" % (log.exists() and log.read_text()))


def test_a_trusted_peer_may_say_names_with_underscores(hooked):
    server, said = hooked("def pre_request(worker, req): say('pre_request', req.headers)", "-w", "1", "--forwarder-headers", "REMOTE_USER", ready=None)
    with server.wire() as wire:
        wire.get("/", "Remote_User: me", "Other_Name: x")
    assert ["REMOTE_USER", "me"] in said.wait("pre_request") and "OTHER_NAME" not in dict(said.wait("pre_request"))


ALTERED = """
def pre_request(worker, req):
    req.headers.append(("X-REQUEST-ID", "7"))
    req.headers[:] = [(n, "there" if n == "X-HERE" else v) for n, v in req.headers if n != "X-SECRET"]
    req.scheme, req.query = "https", "q=2"
    req.path = "/else where"
"""


def test_what_pre_request_changes_reaches_the_application(hooked):
    server, _ = hooked(ALTERED, "-w", "1")
    got = server.get("/?q=1", headers={"X-Here": "1", "X-Secret": "2", "X-Same": "3"}).text
    for pair in (("HTTP_X_REQUEST_ID", "7"), ("HTTP_X_HERE", "there"), ("HTTP_X_SAME", "3"), ("wsgi.url_scheme", "https"), ("QUERY_STRING", "q=2"),
                 ("PATH_INFO", "/else where")):
        assert repr(pair) in got, got
    assert "HTTP_X_SECRET" not in got


@pytest.mark.not_green("it is about threads")
def test_a_hook_ends_the_connection(hooked):
    server, _ = hooked("def pre_request(worker, req):\n    if req.path == '/last': req.force_close()", "-w", "1", "--threads", "2", "--keep-alive", "75")
    with server.wire() as wire:
        assert wire.get("/first").get("Connection") == "keep-alive"
        assert wire.get("/last").get("Connection") == "close" and wire.closed()


@pytest.mark.parametrize("hook", ["post_fork(server, worker)", "post_worker_init(worker)", "pre_request(worker, req)"])
def test_max_requests_set_in_a_hook_holds(hooked, hook):
    server, said = hooked("def %s: worker.max_requests = 3; say('hook', [worker.nr, worker.pid])" % hook, "-w", "1", ready=None)
    first = server.wait_workers(1)
    for _ in range(3):
        assert server.get().status_code == 200
    server.wait_log("Autorestarting worker after current request")
    server.wait_workers(1, without=first)


def test_the_number_of_requests_is_counted(hooked):
    conf = """
def pre_request(worker, req): say("before", worker.nr)
def post_request(worker, req, environ, resp): say("after", worker.nr)
def post_worker_init(worker): say("start", [worker.nr, worker.max_requests == sys.maxsize])
"""
    server, said = hooked(conf, "-w", "1", ready=None)
    for _ in range(3):
        server.get()
    said.wait("after", 3)
    assert said.named("start") == [[0, True]] and said.named("before") == [0, 1, 2] and said.named("after") == [1, 2, 3]


def test_the_jitter_is_part_of_max_requests(hooked):
    conf = "def post_worker_init(worker): say('limit', worker.max_requests)"
    _, said = hooked(conf, "-w", "4", "--max-requests", "1000", "--max-requests-jitter", "1000000")
    said.wait("limit", 4)
    limits = said.named("limit")
    assert len(set(limits)) > 1 and all(1000 <= n <= 1001000 for n in limits)


WARM = """
import time
def post_worker_init(worker):
    for _ in range(16):
        time.sleep(0.25)
        if NOTIFY: worker.notify()
    say("warm", worker.pid)
"""


def test_a_long_warm_up_that_notifies_is_let_live(hooked):
    server, said = hooked("NOTIFY = True" + WARM, "-w", "1", "--timeout", "2", ready=None)
    said.wait("warm")
    assert server.get().status_code == 200 and "TIMEOUT" not in server.log
    assert said.named("warm") == server.worker_pids()


@pytest.mark.gosrv_only("Gunicorn's clock for a worker that never notified began in 1970 or at its start, by the file system")
def test_a_long_warm_up_that_says_nothing_is_ended(hooked):
    server, said = hooked("NOTIFY = False" + WARM, "-w", "1", "--timeout", "2", ready=None)
    server.wait_log(r"WORKER TIMEOUT \(pid:\d+\): not ready")


SLOW = """
import time
def application(environ, start_response):
    import hooks_state
    for _ in range(16 if environ["PATH_INFO"] != "/" else 0):
        time.sleep(0.25)
        if environ["PATH_INFO"] == "/notify": hooks_state.worker.notify()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
KEEPS_WORKER = """
import types
sys.modules["hooks_state"] = types.ModuleType("hooks_state")
def post_worker_init(worker): sys.modules["hooks_state"].worker = worker
"""


def test_a_request_that_notifies_has_the_time_again(hooked):
    server, _ = hooked(KEEPS_WORKER, "-w", "1", "--timeout", "2", app=SLOW)
    assert server.get("/notify").text == "ok" and "TIMEOUT" not in server.log


@pytest.mark.gosrv_only("request_timeout is gosrv's")
@pytest.mark.parametrize("args", [("--timeout", "2", "--request-timeout", "3"), ("--timeout", "9", "--request-timeout", "2")], ids=["longer", "shorter"])
def test_a_request_that_notifies_keeps_to_request_timeout(hooked, args):
    server, _ = hooked(KEEPS_WORKER, "-w", "1", *args, app=SLOW)
    assert server.get("/notify").status_code == 504


ORDERS = """
def when_ready(server):
    server.num_workers = 3
    say("num_workers", server.num_workers)
def post_request(worker, req, environ, resp):
    if req.path == "/kill": os.kill(os.getpid(), 15)
def child_exit(server, worker):
    say("child_exit", [worker.pid, worker.pid in server.WORKERS, len(server.WORKERS)])
    if not os.path.exists("once"):
        open("once", "w").close()
        server.kill_worker(next(iter(server.WORKERS)), 15)
"""


def test_a_hook_may_set_the_number_of_workers_and_end_one(hooked):
    server, said = hooked(ORDERS, "-w", "1", ready=None)
    before = server.wait_workers(3)
    assert said.wait("num_workers") == 3
    server.send_signal(signal.SIGTERM, before[0])
    said.wait("child_exit", 2)
    ended = [pid for pid, *_ in said.named("child_exit")]
    assert ended[0] == before[0] and ended[1] in before[1:] and not said.named("child_exit")[0][1]
    assert len(server.wait_workers(3, without=ended)) == 3


@pytest.mark.gosrv_only("Gunicorn's methods act at once and in place; these ask the master")
@pytest.mark.parametrize("call, line", [("reload()", "Handling signal: hup"), ("handle_ttin()", "Handling signal: ttin"), ("spawn_worker()", "Handling signal: ttin"),
                                        ("stop()", "Handling signal: term"), ("stop(False)", "Handling signal: quit"), ("halt('why')", "Reason: why"),
                                        ("SIG_QUEUE.put_nowait(10)", "Handling signal: usr1"), ("handle_winch()", "Handling signal: winch")])
def test_what_acts_on_the_master_asks_it(hooked, call, line):
    conf = """
def child_exit(server, worker):
    if not os.path.exists("once"):
        open("once", "w").close()
        server.%s
""" % call
    server, _ = hooked(conf, "-w", "1")
    server.send_signal(signal.SIGTERM, server.wait_workers(1)[0])
    server.wait_log(line)
    if not call.startswith(("stop", "halt")):
        assert server.get().status_code == 200
    else:
        assert server.wait_end() == 0


CLASS = {"": "SyncWorker", "gevent": "GeventWorker", "eventlet": "EventletWorker"}[harness.worker_class()]
LOGGER = """
from gunicorn.glogging import Logger
class Mine(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        say("setup", [cfg.settings["workers"].get(), cfg.settings["bind"].name, cfg.address[0][0], cfg.is_ssl, cfg.uid == os.geteuid(), cfg.proc_name,
                      cfg.logger_class.__name__, cfg.worker_class.__name__, "workers" in str(cfg), callable(cfg.post_fork)])
    def access(self, resp, req, environ, request_time):
        say("access", [[list(h) for h in req.headers if h[0] == "X-TWO"], resp.status, "%s:%d" % req.remote_addr == "127.0.0.1:" + environ["REMOTE_PORT"]])
logger_class = Mine
"""


def test_a_logger_class_sees_cfg_and_the_request(hooked):
    server, said = hooked(LOGGER, "-w", "2", "--access-logfile", "-", ready=None)
    with server.wire() as wire:
        wire.get("/", "X-Two: 1", "X-Two: 2")
        wire.send("BAD\r\n\r\n")
    assert said.wait("setup") == [2, "bind", "127.0.0.1", None, True, "app", "Mine", CLASS, True, True]
    assert said.wait("access") == [[["X-TWO", "1"], ["X-TWO", "2"]], "200 OK", True]


CONFIGURED = """
def on_starting(server):
    cfg = server.cfg
    try:
        cfg.workers = 3
    except AttributeError as e:
        say("refused", str(e))
    cfg.set("proc_name", "other")
    say("set", [cfg.proc_name, cfg.settings["proc_name"].value])
    say("parsed", cfg.parser().parse_args(["-w", "4", "--bind", "a:1", "--preload", "app"]).workers)
    say("networks", [str(n) for n in cfg.forwarded_allow_networks()])
    say("default", [cfg.settings["timeout"].default, cfg.settings["timeout"].value, cfg.settings["timeout"].section])
    say("ssl", sorted(cfg.ssl_options))
    try:
        cfg.nonsense
    except AttributeError as e:
        say("unknown", str(e))
"""


def test_cfg_does_what_gunicorns_does(hooked):
    server, said = hooked(CONFIGURED, "-w", "1", "--timeout", "77", "--forwarded-allow-ips", "10.0.0.0/8,::1")
    assert said.wait("refused") == "Invalid access!" and said.wait("unknown") == "No configuration setting for: nonsense"
    assert said.wait("set") == ["other", "other"] and said.wait("parsed") == 4
    assert said.wait("networks") == ["10.0.0.0/8", "::1/128"] and said.wait("default") == [30, 77, "Worker Processes"]
    assert "certfile" in said.wait("ssl")
