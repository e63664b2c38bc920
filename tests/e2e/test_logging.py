"""Python's loggers gunicorn.error and gunicorn.access: who writes a line, in which shape, in which stream."""
import json
import os
import re
import signal
import subprocess

import pytest

import harness
from waiting import wait_for
from wire import Wire, once

STAND_IN = str(harness.ROOT / "pyshim" / "standin")
JSON_CONF = '''
import json, logging


class Lines(logging.Formatter):
    def format(self, record):
        found = {"level": record.levelname, "logger": record.name, "text": record.getMessage(), "pid": record.process}
        if record.exc_info:
            found["trace"] = self.formatException(record.exc_info)
        if isinstance(record.args, dict):
            found["atoms"] = {name: record.args[name] for name in NAMES}
        return json.dumps(found)


NAMES = ["h", "m", "U", "q", "s", "b", "B", "r", "H", "a", "{x-own}i", "{X-Out}o", "{my.user}e", "{request_number}e", "{none}e"]
logconfig_dict = {
    "formatters": {"generic": {"()": Lines}},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
}
'''


def conf(tmp_path, text):
    path = tmp_path / "logging_conf.py"
    path.write_text(text)
    return path


def wait_text(look, *words, timeout=15):
    """Wait until what look() gives has all the words, and return it."""
    def ready():
        text = look()
        return text if all(word in text for word in words) else None

    return wait_for(ready, lambda: "%s in:\n%s" % (words, look()), timeout)


def test_lines_of_the_application_are_in_the_same_stream_in_order(start):
    server = start("logging_lines")
    server.get("/order")
    server.wait_log(r"line 39$")
    assert re.findall(r"line (\d+)$", server.log, re.M) == [str(n) for n in range(40)]
    assert re.search(r"^\[[^]]+\] \[%d\] \[INFO\] line 0$" % server.worker_pids()[0], server.log, re.M)
    assert server.log.index("Booting worker") < server.log.index("imported by logging_lines") < server.log.index("line 0")


def test_a_hook_logs_in_the_same_stream(start, tmp_path):
    path = conf(tmp_path, '''
import logging


def on_starting(server):
    server.log.info("by the server's log")
    logging.getLogger("gunicorn.error").warning("by the logger")


def post_fork(server, worker):
    worker.log.debug("by the worker's log")
    worker.log.log("error", "by a level's name %s", "here")
''')
    server = start("hello", "-c", path)
    server.wait_log("by a level's name here")
    for level, text in (("INFO", "by the server's log"), ("WARNING", "by the logger"), ("DEBUG", "by the worker's log"), ("ERROR", "by a level's name")):
        server.wait_log(r"^\[[^]]+\] \[\d+\] \[%s\] %s" % (level, text))


@pytest.mark.parametrize("level", ["debug", "info"])
def test_the_level_counts_for_the_application_too(start, level):
    server = start("logging_lines", log_level=level)
    server.get("/warn")
    server.wait_log(r"\[WARNING\] careful now$")
    assert ("[DEBUG] careful in detail" in server.log) == (level == "debug")


@pytest.mark.matrix
def test_every_line_goes_by_logconfig_dict(start, tmp_path):
    server = start("logging_lines", "-c", conf(tmp_path, JSON_CONF), log_level=None)
    server.get("/", headers={"X-Own": "own", "User-Agent": "tester"})
    server.get("/boom")
    server.send_signal(signal.SIGHUP)
    server.wait_log("Hang up", timeout=20)
    server.wait_log("Worker exiting", timeout=20)
    server.get("/pieces")
    wait_text(lambda: server.out, "/pieces")
    pid, log, out = server.pid, server.err_path, server.out_path
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]  # each of them
    texts = {line["text"]: line for line in lines}
    assert texts["Using worker: " + (harness.worker_class() or "sync")]["pid"] == pid  # the master's lines are the master's
    assert texts["Handling signal: term"]["pid"] == pid and texts["Shutting down: Master"]["pid"] == pid
    worker = next(line for line in lines if line["text"] == "imported by logging_lines")
    assert worker["pid"] != pid and texts["Booting worker with pid: %d" % worker["pid"]]["pid"] == worker["pid"]
    failed = next(line for line in lines if line["level"] == "ERROR")
    assert failed["text"] == "Error handling request GET /boom" and failed["trace"].endswith("ValueError: BOOM")
    access = [json.loads(line) for line in out.read_text().splitlines()]
    first, = [line["atoms"] for line in access if line["atoms"]["a"] == "tester" and line["atoms"]["s"] == "200" and line["atoms"]["U"] == "/"]
    assert first == {"h": "127.0.0.1", "m": "GET", "U": "/", "q": "", "s": "200", "b": "2", "B": 2, "r": "GET / HTTP/1.1", "H": "HTTP/1.1",
                     "a": "tester", "{x-own}i": "own", "{X-Out}o": "sent", "{my.user}e": "m\xefa", "{request_number}e": 42, "{none}e": "-"}
    assert [line["atoms"]["s"] for line in access if line["atoms"]["r"] == "GET /boom HTTP/1.1"] == ["500"]
    assert [line["atoms"]["b"] for line in access if line["atoms"]["U"] == "/pieces"] == ["2"]
    assert all(line["logger"] == "gunicorn.access" and '"%s"' % line["atoms"]["r"] in line["text"] for line in access)


def test_logging_in_an_ini_file(start, tmp_path):
    ini = tmp_path / "log.ini"
    ini.write_text("""
[loggers]
keys=root, gunicorn.error
[handlers]
keys=file
[formatters]
keys=own
[logger_root]
level=WARNING
handlers=file
[logger_gunicorn.error]
level=INFO
handlers=file
propagate=0
qualname=gunicorn.error
[handler_file]
class=FileHandler
formatter=own
args=('%(here)s/own.log',)
[formatter_own]
format=INI %(levelname)s %(message)s
""")
    server = start("logging_lines", "--log-config", ini, log=tmp_path / "own.log", balance=False)
    server.get("/warn")
    server.wait_log("^INI WARNING careful now$")
    for text in ("Listening at: .*", "Booting worker.*", "imported by logging_lines"):
        server.wait_log("^INI INFO %s$" % text)
    assert server.err_path.read_text() == ""
    server.stop()
    assert "INI INFO Shutting down: Master" in (tmp_path / "own.log").read_text()


def test_logging_in_a_json_file(start, tmp_path):
    text = {"formatters": {"generic": {"format": "JS %(levelname)s %(message)s"}}, "root": {"level": "INFO", "handlers": []}}
    (tmp_path / "log.json").write_text(json.dumps(text))
    server = start("logging_lines", "--log-config-json", tmp_path / "log.json", log_level=None)
    server.get("/warn")
    server.wait_log("^JS WARNING careful now$")
    server.wait_log("^JS INFO Listening at:")
    wait_text(lambda: server.out, 'JS INFO 127.0.0.1 - - [', '"GET /warn HTTP/1.1" 200 2')


CLASS_CONF = '''
import datetime
import logging
from gunicorn.glogging import Logger


class Quiet(logging.Filter):
    def filter(self, record):
        return "/health" not in record.getMessage()


class OwnLogger(Logger):
    error_fmt = "CLASS %(levelname)s %(message)s"

    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(Quiet())

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["own"] = "%s,%s,%s,%s" % (environ["my.user"], resp.status, req.path, dict(resp.headers)["X-Out"])
        return atoms

    def access(self, resp, req, environ, request_time):
        assert isinstance(request_time, datetime.timedelta) and request_time.days == 0 and req.method == "GET"
        if environ.get("my.user"):
            super().access(resp, req, environ, request_time)


logger_class = OwnLogger
accesslog = "-"
access_log_format = "%(own)s|%(U)s|%(b)s"
'''


@pytest.mark.parametrize("gunicorn", ["installed", pytest.param("stand-in", marks=pytest.mark.gosrv_only("its stand-in"))])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_logger_class_gets_every_record_and_request(start, tmp_path, gunicorn, threads):
    env = {"PYTHONPATH": STAND_IN} if gunicorn == "stand-in" else {}
    server = start("logging_lines", "-c", conf(tmp_path, CLASS_CONF), "--threads", threads, env=env, log_level="info")
    for path in ("/warn", "/health", "/pieces", "/boom"):
        server.get(path)
    server.get("/last")
    # With threads the line of a later request may be the first.
    out = wait_text(lambda: server.out, "/last|2", "m\xefa,200 OK,/warn,sent|/warn|2\n", "m\xefa,200 OK,/pieces,sent|/pieces|2\n")
    assert "/health" not in out
    for line in ("INFO Listening at:", "INFO Booting worker", "WARNING careful now", "ERROR Error handling request GET /boom"):
        server.wait_log("^CLASS %s" % line)
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert "CLASS INFO Shutting down: Master" in server.log


@pytest.mark.gosrv_only("what Gunicorn says to a bad setting is a traceback")
@pytest.mark.parametrize("text, said", [
    ("logger_class = 'nowhere.to.be.Found'", "logger_class: 'nowhere.to.be.Found' is not the dotted path of a class that can be imported (No module named 'nowhere')"),
    ("logconfig = '/nowhere/log.ini'", "Error: log config '/nowhere/log.ini' not found"),
    ("logconfig_dict = {'handlers': {'h': {'class': 'no.such.Handler'}}}", "Unable to configure handler 'h'"),
    ("syslog = True\nsyslog_addr = 'http://localhost'", "syslog_addr: invalid syslog address \"http://localhost\": it is unix://PATH, udp://HOST:PORT or tcp://HOST:PORT"),
    ("syslog = True\nsyslog_facility = 'kitchen'", "syslog_facility: \"kitchen\" is unknown; it is one of user, daemon"),
])
def test_a_logging_setting_that_cannot_be_used_is_one_message(tmp_path, text, said):
    done = harness.run_once("hello", "-b", "127.0.0.1:0", "-c", conf(tmp_path, text))
    assert done.returncode == 1
    assert said in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.gosrv_only("Gunicorn's master ignores it without a word")
def test_a_json_file_that_is_not_there_is_warned_of(start, tmp_path):
    server = start("hello", "--log-config-json", tmp_path / "none.json")
    server.wait_log(r"\[WARNING\] logconfig_json: .*none.json does not exist")


def test_an_application_takes_the_error_log_over(start):
    """Django's LOGGING may name gunicorn.error: from its import on the worker's lines are in that shape."""
    server = start("grabs_loggers", "--workers", "1", "--max-requests", "3", log_level="info", balance=False)
    first, = server.worker_pids()
    for _ in range(2):
        server.get()
    server.wait_log(r"^OWN INFO %d Autorestarting worker after current request\.$" % first)
    server.wait_log(r"^OWN INFO %d Worker exiting" % first)
    assert re.search(r"^\[[^]]+\] \[%d\] \[INFO\] Booting worker with pid: %d$" % (first, first), server.log, re.M)


def test_refused_requests_are_in_an_access_log_of_pythons(start, tmp_path):
    server = start("logging_lines", "-c", conf(tmp_path, JSON_CONF), log_level=None)
    once(server.address, b"GET /refused HTTP/1.1\r\nHost: t\r\nX-Own: seen\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    out = wait_text(lambda: server.out, "/refused")
    line = next(json.loads(line) for line in out.splitlines() if "/refused" in line)
    assert line["atoms"]["s"] == "400" and line["atoms"]["r"] == "GET /refused HTTP/1.1" and line["atoms"]["h"] == "127.0.0.1"
    assert line["atoms"]["{x-own}i"] == "seen"
    server.wait_log('"text": "Invalid request from ip=127.0.0.1')


@pytest.mark.gosrv_only("it has a zygote")
def test_without_a_zygote_lines_are_plain_for_a_while(start, tmp_path):
    server = start("logging_lines", "-c", conf(tmp_path, JSON_CONF), log_level=None, balance=False)
    zygote, = server.zygotes()
    server.send_signal(signal.SIGKILL, zygote.pid)
    server.wait_log(r"^\[[^]]+\] \[%d\] \[ERROR\] Zygote \(pid:%d\) was sent SIGKILL" % (server.pid, zygote.pid))
    server.wait_log(r'"text": "Zygote \(pid:\d+\) of generation 1 is ready"')  # and JSON again
    assert server.get().text == "ok"


def test_usr1_reopens_the_files_of_a_logging_configuration(start, tmp_path):
    text = '''
logconfig_dict = {
    "handlers": {"file": {"class": "logging.FileHandler", "filename": %r, "formatter": "generic"}},
    "loggers": {name: {"level": "INFO", "handlers": ["file"], "propagate": False} for name in ("gunicorn.error", "gunicorn.access")},
    "root": {"handlers": []},
}
''' % str(tmp_path / "own.log")
    server = start("logging_lines", "-c", conf(tmp_path, text), log=tmp_path / "own.log", log_level=None)
    os.rename(tmp_path / "own.log", tmp_path / "own.log.1")
    server.send_signal(signal.SIGUSR1)
    wait_for(lambda: (tmp_path / "own.log").exists(), "the new file")

    def both():  # the worker opens it when it gets to the order
        server.get("/again")
        text = server.log
        return text if "GET /again" in text else None

    wait_for(both, "the worker's lines in the new file")


@pytest.mark.matrix
def test_environ_in_the_access_log_is_as_the_application_left_it(start):
    form = "%(h)s|%({my.user}e)s|%({request_number}e)s|%({my.object}e)s|%({none}e)s|%({http_host}e)s|%({wsgi.url_scheme}e)s|%(U)s"
    server = start("logging_lines", "--access-logfile", "-", "--access-logformat", form)
    host = "127.0.0.1:%d" % server.port
    server.get("/list", headers={"X-Client": "9.8.7.6"})
    server.get("/pieces")
    out = wait_text(lambda: server.out, "/pieces\n", "/list\n")
    assert "9.8.7.6|m\xefa|42|shown as text|-|%s|http|/list\n" % host in out
    assert "127.0.0.1|m\xefa|42|shown as text|-|%s|http|/pieces\n" % host in out


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.gosrv_only("its format json")
def test_json_access_lines(start):
    server = start("logging_lines", "--access-logfile", "-", "--access-log-format", "json")
    server.get("/a?b=c", headers={"X-Forwarded-For": "1.2.3.4", "X-Request-Id": "asked", "User-Agent": "t\"1", "Authorization": "Basic YW5uZTp4",
                                        "traceparent": TRACE})
    server.get("/b", headers={"X-Real-IP": "5.6.7.8"})
    out = wait_text(lambda: server.out, '"/b"', '"/a"')
    lines = {line["path"]: line for line in map(json.loads, out.splitlines())}
    a, b = lines["/a"], lines["/b"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)", a.pop("time"))
    assert 0 <= a.pop("duration") < 10
    assert a == {
        "remote_addr": "127.0.0.1", "forwarded_for": "1.2.3.4", "user": "anne", "method": "GET", "target": "/a?b=c", "path": "/a", "query": "b=c",
        "protocol": "HTTP/1.1", "scheme": "http", "host": "127.0.0.1:%d" % server.port, "status": 200, "bytes": 2, "referer": None,
        "user_agent": "t\"1", "request_id": "asked", "traceparent": TRACE, "pid": server.worker_pids()[0],
    }
    assert b["forwarded_for"] == "5.6.7.8" and b["request_id"] == "answered" and b["user"] is None


@pytest.mark.gosrv_only("Gunicorn's worker waits for the disk")
@pytest.mark.parametrize("where", ["full", "stalled"])
def test_an_access_log_that_takes_nothing_costs_no_answer(start, tmp_path, where):
    path = "/dev/full"
    if where == "stalled":
        path = str(tmp_path / "pipe")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # and never read
    server = start("logging_lines", "--access-logfile", path, "--access-logformat", "%({x-long}i)s" * 40)
    with server.wire() as wire:
        for _ in range(400):  # 2.4 MB of lines: more than queue and pipe hold
            assert wire.get("/", "X-Long: " + "x" * 150).body == b"ok"
    server.wait_log(r"\[WARNING\] Access log: lines lost: \d+ \(%s\)" % {
        "full": "no space left on device", "stalled": "the log is slower than the requests"}[where], timeout=30)
    if where == "stalled":
        os.close(reader)


def accepts(path):
    """Whether somebody listens there: the path alone is there before that."""
    try:
        Wire(path).sock.close()
    except OSError:
        return False
    return True


@pytest.mark.gosrv_only("wsgi.errors of Gunicorn raises then")
def test_an_error_log_on_a_full_disk_costs_no_answer(tmp_path):
    path = str(tmp_path / "s")
    command = harness.command() + ["logging_lines", "--bind", "unix:" + path, "--error-logfile", "/dev/full"]
    server = subprocess.Popen(command, cwd=str(harness.APPS), env=harness.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: accepts(path), "the socket")
        for what in ("/warn", "/order", "/boom", "/"):
            with Wire(path) as wire:
                assert wire.get(what).status == (500 if what == "/boom" else 200)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()


def test_capture_output_takes_what_c_and_python_print(start, tmp_path):
    server = start("logging_lines", "--capture-output", "--error-logfile", tmp_path / "error.log", log=tmp_path / "error.log")
    server.get("/c")
    for text in ("C-STDOUT", "C-STDERR", "PY-STDOUT", "PY-STDERR"):
        server.wait_log("^%s$" % text)
    os.rename(tmp_path / "error.log", tmp_path / "error.log.1")
    server.send_signal(signal.SIGUSR1)

    def again():
        server.get("/c")
        return "C-STDERR" in server.log

    wait_for(again, "output in the new file")


def test_capture_output_leaves_a_terminal_alone(start):
    server = start("logging_lines", "--capture-output")
    server.get("/c")
    wait_text(lambda: server.out, "C-STDOUT", "PY-STDOUT")
    assert "STDOUT" not in server.log


CRASHES = {
    "/segfault": (r"Fatal Python error: Segmentation fault", "SIGSEGV"),
    "/abort": (r"Fatal Python error: Aborted", "SIGABRT"),
    "/free": (r"free\(\): invalid (pointer|size)", "SIGABRT"),
}


# What the C library says of a wrong free() depends on no Python, and AddressSanitizer says it in its place.
@pytest.mark.gosrv_only("Gunicorn's worker dies without a word")
@pytest.mark.parametrize("path", [pytest.param(path, marks=[] if path == "/free" else [pytest.mark.matrix]) for path in sorted(CRASHES)])
def test_last_words_are_in_the_error_log(start, tmp_path, path):
    server = start("crashing", "--error-logfile", tmp_path / "error.log", log=tmp_path / "error.log", balance=False)
    with server.wire() as wire:
        wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
        words, name = CRASHES[path]
        server.wait_log(words)
        server.wait_log(r"Worker \(pid:\d+\) was sent %s! Lost: GET %s" % (name, path))
    assert re.search(r'File ".*crashing.py", line \d+ in application', server.log)
