"""gosrv's settings beside those of Gunicorn 27.0.1, asked on this machine: the table, the verdicts on a grid of values, the
command line, --print-config row by row, and what bad input leads to.

The Go tests of internal/config hold gosrv against the goldens in testdata; here the goldens are held against Gunicorn.
"""
import argparse
import ast
import contextlib
import io
import json
import re
import sys
import warnings

import pytest

import harness

gunicorn_config = pytest.importorskip("gunicorn.config")
import gunicorn  # noqa: E402

CONFIG = harness.ROOT / "cmd" / "gosrv" / "internal" / "config"

pytestmark = [
    pytest.mark.not_green("settings are what it is about"),
    pytest.mark.gosrv_only("it asks both servers"),
    pytest.mark.skipif(gunicorn.__version__ != "27.0.1", reason="the reference is Gunicorn 27.0.1"),
]


def golden(name):
    return json.loads((CONFIG / name).read_text())


def plain(value):
    """A value as JSON would give it back; objects that cannot travel as their repr."""
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else {"__repr__": repr(value)}


def test_the_table_of_settings_is_gunicorns():
    declared = [
        {"name": s.name, "section": s.section, "cli": s.cli, "action": s.action, "nargs": s.nargs, "const": s.const, "validator": s.validator.__name__}
        for s in gunicorn_config.KNOWN_SETTINGS
    ]
    written = [{key: row[key] or None if key == "cli" else row[key] for key in declared[0]} for row in golden("settings/testdata/gunicorn_settings.json")]
    wrong = [(a, b) for a, b in zip(written, declared) if {**a, "validator": 0} != {**b, "cli": b["cli"] or None, "validator": 0}]
    assert len(declared) == len(written) == 120 and not wrong


def test_the_verdicts_on_a_grid_of_values_are_gunicorns(monkeypatch):
    monkeypatch.chdir(CONFIG / "settings")  # where the Go tests run: some values are file names
    table = gunicorn_config.make_settings()
    wrong, asked = [], 0

    def ask(name, given):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # patterns that match no file
            table[name].set(given)
        return plain(table[name].get())

    for row in golden("settings/testdata/verdicts.json"):
        for name in row["settings"]:
            for given, kept in row.get("accept", ()):
                asked += 1
                try:
                    found = ask(name, given)
                except Exception as e:
                    wrong.append("%s = %r: refused (%s), the golden keeps %r" % (name, given, e, kept))
                    continue
                if kept != "*" and found != kept:
                    wrong.append("%s = %r: kept as %r, the golden keeps %r" % (name, given, found, kept))
            for given in row.get("reject", ()):
                asked += 1
                with contextlib.suppress(Exception):
                    wrong.append("%s = %r: kept as %r, the golden refuses it" % (name, given, ask(name, given)))
    assert not wrong and asked > 10000


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the messages are those of Python 3.11's argparse")
def test_the_command_line_is_read_as_gunicorns_parser_reads_it(monkeypatch):
    def error(parser, message):
        raise ValueError(message)

    monkeypatch.setattr(argparse.ArgumentParser, "error", error)
    wrong = []
    for row in golden("testdata/argparse.json"):
        parser = gunicorn_config.Config("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").parser()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = vars(parser.parse_args(row["argv"]))
        except ValueError as e:
            if str(e) != row.get("error"):
                wrong.append("%r: error %s, the golden has %s" % (row["argv"], e, row.get("error", row.get("set"))))
            continue
        said = {name: plain(value) for name, value in found.items() if name != "args" and value is not None}
        if "error" in row or said != row["set"] or found["args"] != row["args"]:
            wrong.append("%r: %r and %r, the golden has %r" % (row["argv"], said, found["args"], row))
    assert not wrong


CONF = """
import multiprocessing
bind = ["127.0.0.1:0", "unix:/tmp/x.sock"]
workers = 3
threads = "0x2"
loglevel = " debug "
raw_env = "A=1"
proxy_protocol = True
forwarded_allow_ips = "10.0.0.0/8, ::1"
header_map = "REFUSE"
reload = "true"
umask = "0o22"
user = None
post_fork = "fnmatch.fnmatch"
logconfig_dict = {"version": 1}
secure_scheme_headers = {"X-A": "b"}
Workers = 7
unknown_name = 1


def pre_fork(server, worker):
    pass


def post_request(worker, req, environ, resp):
    pass
"""
LINES = [
    ((), {}),
    (("-w", "4", "--threads=2", "-b", ":1", "-b", "[::1]:2", "-k", "gthread", "-t9"), {}),
    (("--worker-conn", "5", "--keep-al", "0x1".replace("0x", ""), "-e", "A=1", "-e", "B=2=3", "-n", "it's"), {}),
    (("--proxy-protocol", "--no-sendfile", "--preload", "--reuse-port", "--initgroups"), {}),
    (("--umask", "022", "-u", "0", "-g", "0", "--access-logfile", "-", "--log-file", "/tmp/e", "--log-level", "WARNING"), {}),
    (("--forwarded-allow-ips", "10.0.0.0/255.0.0.0,*", "--proxy-allow-from", "::1", "--forwarder-headers", "A,B,,", "--header-map", "dangerous"), {}),
    (("--statsd-host", "unix:///tmp/s", "--statsd-prefix", "p", "--dogstatsd-tags", "a:b,c:d", "--log-syslog-to", "unix:///dev/log#dgram"), {}),
    (("--max-requests", "1_0", "--max-requests-jitter", "+2", "--backlog", " 7 ", "--graceful-timeout", "0"), {}),
    (("--reload", "--reload-engine", "poll", "--reload-extra-file", "hello.py", "--reload-extra-file", "*.none"), {}),
    (("--chdir", "..", "--pythonpath", "a,b", "--worker-tmp-dir", "/dev/shm", "-p", "x.pid"), {}),
    (("--statsd-host", "[::1]:9"), {}),
    (("--statsd-host", "Stats.Example"), {}),
    ((), {"PORT": "5000", "WEB_CONCURRENCY": "3", "FORWARDED_ALLOW_IPS": "*"}),
    (("-w", "2"), {"GUNICORN_CMD_ARGS": "--workers 9 --threads 3 --name 'two words' -b :9", "PORT": "5000", "SENDFILE": "0"}),
    (("-c", "CONF"), {}),
    (("-c", "CONF", "-w", "5"), {"GUNICORN_CMD_ARGS": "--threads 4 -e B=2", "WEB_CONCURRENCY": "8"}),
]


def printed(server, args, env, home):
    done = harness.run_once("--print-config", *args, "hello:app", server=server, env={**env, "HOME": home, "XDG_RUNTIME_DIR": None}, cwd=harness.APPS)
    rows = [re.split(r"\s+= ", line, maxsplit=1) for line in done.stdout.splitlines() if re.match(r"\w+\s+=( |$)", line)]
    return {row[0].rstrip(" ="): row[1] if len(row) > 1 else "" for row in rows}, done.stderr


def alike(ours, theirs):
    """Equal; dictionaries in any order."""
    if theirs.startswith("{"):
        return ast.literal_eval(ours) == ast.literal_eval(theirs)
    return ours == theirs


@pytest.mark.parametrize("number", range(len(LINES)))
def test_print_config_row_by_row(tmp_path, number):
    args, env = LINES[number]
    (tmp_path / "conf.py").write_text(CONF)
    args = [str(tmp_path / "conf.py") if word == "CONF" else word for word in args]
    theirs, complaint = printed("gunicorn", args, env, tmp_path)
    ours, ours_complaint = printed("gosrv", args, env, tmp_path)
    assert len(theirs) == 120, complaint
    theirs["control_socket_disable"] = "False"  # the command that starts Gunicorn in these tests turns it off
    if "SENDFILE" in env:
        assert ours.pop("sendfile") == "False" and theirs.pop("sendfile") == "None"  # Gunicorn prints it without what counts
    wrong = {name: (ours.get(name), value) for name, value in theirs.items() if not alike(ours.get(name), value)}
    assert not wrong, ours_complaint


@pytest.mark.parametrize("args", [
    ["-w", "two", "hello"], ["--wrokers", "2", "hello"], ["--limit-request", "2", "hello"], ["-w"], ["-w", "-1", "hello"],
    ["--header-map", "x", "hello"], ["--chdir", "/nowhere/at/all", "hello"], ["-u", "no-such-user", "hello"], ["-c", "/nowhere.py", "hello"],
    ["--forwarded-allow-ips", "10.0.0.1/8", "hello"], ["--reload-extra-file", "/nowhere/file", "hello"], ["--statsd-host", "a:b:c", "hello"], [],
    ["-e", "NOTHING", "hello"], ["--check-config", "hello:nothing"], ["--check-config", "nothing_of_that_name"],
], ids=" ".join)
def test_bad_input_ends_with_the_same_exit_code_and_words(args):
    theirs = harness.run_once(*args, server="gunicorn")
    ours = harness.run_once(*args, server="gosrv")
    assert ours.returncode == theirs.returncode, (ours.stderr, theirs.stderr)
    words = [line for line in theirs.stderr.splitlines() if re.match(r"(gunicorn|__main__\.py|Error)?:? ?(error|Error): ", line)]
    for line in words:
        message = line.split("rror: ", 1)[1].replace("does not exists.", "does not exist")
        assert message in ours.stderr


HOOKS = {s.name: s.validator for s in gunicorn_config.KNOWN_SETTINGS if s.section == "Server Hooks" and s.name != "ssl_context"}


def accepted(hook):
    """The numbers of arguments that Gunicorn accepts a function with."""
    found = []
    for count in range(7):
        with contextlib.suppress(TypeError):
            HOOKS[hook](eval("lambda %s: None" % ", ".join("a%d" % i for i in range(count))))
            found.append(count)
    return found


def definition(hook, count):
    return "def %s(%s):\n    pass\n" % (hook, ", ".join("a%d" % i for i in range(count)))


def test_hooks_of_every_right_arity_are_accepted(tmp_path):
    for pick in (min, max):
        (tmp_path / "conf.py").write_text("\n\n".join(definition(hook, pick(accepted(hook))) for hook in HOOKS))
        done = harness.run_once("--check-config", "-c", tmp_path / "conf.py", "hello")
        assert done.returncode == 0 and len(HOOKS) == 15, done.stderr


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_hooks_of_a_wrong_arity_are_refused(tmp_path, hook):
    (tmp_path / "conf.py").write_text(definition(hook, max(accepted(hook)) + 1))
    done = harness.run_once("--check-config", "-c", tmp_path / "conf.py", "hello")
    assert done.returncode == 1 and "conf.py:1: %s = " % hook in done.stderr
    assert "allowed: def %s(" % hook in done.stderr or "allowed: a function of 2 to 4" in done.stderr


def test_hooks_by_path_are_imported_and_their_arity_looked_at(tmp_path):
    (tmp_path / "mine.py").write_text("def two(a, b):\n    pass\n\n\ndef five(a, b, c, d, e):\n    pass\n\n\napplication = print\n")
    for text, complaint in (
        ("post_fork = 'mine.two'\npost_request = 'mine.two'\n", ""),
        ("post_fork = 'mine.five'\n", "post_fork = 'mine.five': the function takes 5 arguments; allowed: 2"),
        ("post_request = 'mine.five'\n", "post_request = 'mine.five': the function takes 5 arguments; allowed: 2 to 4"),
        ("post_fork = 'mine.nothing'\n", "module 'mine' has no attribute 'nothing'"),
    ):
        (tmp_path / "conf.py").write_text(text)
        done = {server: harness.run_once("--check-config", "-c", "conf.py", "mine", server=server, cwd=tmp_path) for server in ("gunicorn", "gosrv")}
        assert {d.returncode for d in done.values()} == {1 if complaint else 0}, done
        assert complaint in done["gosrv"].stderr
