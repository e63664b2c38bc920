"""Start the real server, talk to it, stop it, and look at what it left behind.

The same class starts gosrv or, with `--server gunicorn`, Gunicorn: a test that holds for both is a parity test.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

import procs
from waiting import TimedOut, wait_for
import wire
from wire import Wire

TESTS = Path(__file__).resolve().parent.parent
APPS = TESTS / "apps"
ROOT = TESTS.parent
LISTENING = re.compile(r"Listening at: (\S.*?) \((\d+)\)")
BOOTING = re.compile(r"Booting worker with pid: (\d+)")
REFERENCES = re.compile(r"pid=(\d+) exits after \d+ requests, (\d+) references taken, (\d+) dropped, \d+ crossings")
# Gunicorn forgets a TERM that reaches a worker in its boot, and then waits for its graceful time-out of 30 s.
STOP_TIME = {"gosrv": 20.0, "gunicorn": 45.0}
# With threads a connection is kept for 2 s by default: too short for a test that asks on it again and may be held up meanwhile.
KEPT = ("--keep-alive", "75")
# What a developer's shell may hold and would change the server under test.
FOREIGN = re.compile(r"^(PYTHON|VIRTUAL_ENV|GUNICORN|GOSRV|WEB_CONCURRENCY$|PORT$|SENDFILE$|SCRIPT_NAME$|FORWARDED_ALLOW_IPS$|DJANGO|PYTEST)")


def kind():
    return os.environ.get("TEST_SERVER", "gosrv")


def binary():
    return Path(os.environ.get("GOSRV_BIN", ROOT / "bin" / "gosrv")).absolute()


def python():
    """The interpreter that runs the applications: the venv of this test run, unless the matrix names another."""
    return os.path.abspath(os.environ.get("GOSRV_TEST_PYTHON", sys.executable))  # without `..`, as gosrv shows it


def patient():
    """Arguments for a server that is fed slowly: a byte at a time can take longer than the 10 s that a head has by default."""
    return ["--header-timeout", "600", "--body-timeout", "600"] if kind() == "gosrv" else []


def worker_class():
    """gevent or eventlet where this run of the tests gives every server that class, else an empty string."""
    return os.environ.get("TEST_WORKER_CLASS", "")


def secure(args):
    """Whether a server with these arguments is to speak TLS because this run of the tests wants all to."""
    return os.environ.get("TEST_TRANSPORT") == "tls" and kind() == "gosrv" and "--certfile" not in args


def scheme():
    """How this run's servers are reached where no proxy says otherwise."""
    return "https" if os.environ.get("TEST_TRANSPORT") == "tls" else "http"


def threads(args):
    """The number behind --threads among the arguments, 1 without it."""
    args = [str(arg) for arg in args]
    return int(args[args.index("--threads") + 1]) if "--threads" in args else 1


def crew(threads):
    """Arguments for so many threads, where what is told holds for greenlets, too."""
    return [] if worker_class() else ["--threads", str(threads)]


def classed(args):
    """The arguments for a server of this run's worker class, unless they name one."""
    args = [str(arg) for arg in args]
    if not worker_class() or {"-k", "--worker-class"} & set(args):
        return args
    assert threads(args) == 1, "a test of threads: mark it not_green"
    if "--threads" in args:
        at = args.index("--threads")
        del args[at:at + 2]
    return ["--worker-class", worker_class(), *args]


def command(server=None):
    return [str(binary())] if (server or kind()) == "gosrv" else [python(), "-m", "gunicorn", "--no-control-socket"]


def environment(server=None, **changes):
    """A clean environment for a server; a change to None takes the variable away."""
    env = {key: value for key, value in os.environ.items() if not FOREIGN.match(key)}
    if (server or kind()) == "gosrv":
        env["GOSRV_PYTHON"] = python()
        env["XDG_CACHE_HOME"] = "/dev/null"  # nothing is remembered from one test to the next
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    for key, value in changes.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


def run_once(*args, server=None, env=None, cwd=APPS, timeout=30):
    """Run the server where it is expected to end by itself; returns the finished process with stdout and stderr."""
    return subprocess.run(
        command(server) + [str(a) for a in args], cwd=str(cwd), env=environment(server, **(env or {})),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, start_new_session=True,
    )


class Server:
    """One running server in a process group and a working directory of its own.

    balance=False for tests that kill a worker: what a killed process took it cannot give back.
    log=PATH when --error-logfile sends the log elsewhere than to stderr.
    listens=False for one that gets stuck before it does; call listens() later.
    program=[...] for another way to start the server, fds for descriptors that it inherits.
    """

    def __init__(self, *args, env=None, cwd=APPS, bind="127.0.0.1:0", log_level="debug", server=None, balance=True, ready="/", log=None,
                 program=None, fds=(), listens=True):
        self.kind = server or kind()
        self.balance = balance and self.kind == "gosrv" and log_level == "debug"
        self.dir = Path(tempfile.mkdtemp(prefix="gosrv-e2e-"))
        self.err_path = self.dir / "stderr.log"
        self.log_path = Path(log) if log else self.err_path
        self.out_path = self.dir / "stdout.log"
        self.stopped = False
        self.shm_before = set(os.listdir("/dev/shm"))
        argv = list(program or command(self.kind))
        for one in [bind] if isinstance(bind, str) else bind or []:
            argv += ["--bind", one.replace("DIR", str(self.dir))]
        if log_level:
            argv += ["--log-level", log_level]
        argv += [a.replace("DIR/", str(self.dir) + "/") for a in classed(args)]
        self.tls = self.kind == "gosrv" and secure(argv)
        if self.tls:
            import authority

            certificate, key = authority.usual()
            argv += ["--certfile", str(certificate), "--keyfile", str(key)]
        with open(self.err_path, "wb") as err, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(
                argv, cwd=str(cwd), env=environment(self.kind, **(env or {})), stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True, pass_fds=fds,
            )
        self.pid = self.process.pid
        try:
            self.addresses = []
            if listens:
                self.listens()
            if ready:
                self._answered(ready)
        except BaseException:
            self.abandon()
            raise

    # -- start ---------------------------------------------------------------------------------------------------

    def listens(self):
        """Wait for the `Listening at` lines and take the addresses, in order; they are all there when the worker class is named."""
        self.wait_log(r"Using worker: \S+|Control socket|Booting worker", timeout=20)
        found = []
        for text, _ in LISTENING.findall(self.log):
            for one in text.split(","):
                found.append(parse_address(one))
        self.addresses = found
        wire.speak_tls(found, self.tls)

    def _answered(self, path):
        def ask():
            self.check_running()
            try:
                with Wire(self.address, timeout=20) as wire:
                    return wire.get(path, "Connection: close")
            except OSError:
                return None

        wait_for(ask, "an answer to GET %s" % path, 30)

    def check_running(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended with code %d\n%s" % (self.process.returncode, self.log))

    # -- look ----------------------------------------------------------------------------------------------------

    @property
    def log(self):
        """The error log so far: stderr, or the file that --error-logfile names."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    def wait_log(self, pattern, timeout=15.0, count=1):
        """Wait until the log has `count` matches of the pattern; returns the matches."""
        regex = re.compile(pattern, re.M)

        def look():
            found = list(regex.finditer(self.log))
            if len(found) >= count:
                return found
            if self.process.poll() is not None:
                found = list(regex.finditer(self.log))
                if len(found) >= count:
                    return found
                raise AssertionError("the server ended with code %d before %r\n%s" % (self.process.returncode, pattern, self.log))
            return None

        try:
            return wait_for(look, "%d x %r in the log" % (count, pattern), timeout)
        except TimedOut as late:
            raise TimedOut("%s\n%s" % (late, self.log)) from None

    @property
    def address(self):
        """The first address, as socket.connect takes it."""
        return self.addresses[0]

    @property
    def port(self):
        return self.address[1]

    @property
    def url(self):
        host, port = self.address[:2]
        return "%s://%s:%d" % ("https" if self.tls else "http", "[%s]" % host if ":" in host else host, port)

    def workers(self):
        """The worker processes alive now, oldest first."""
        mine = procs.children(self.pid)
        if self.kind == "gosrv":
            mine = [p for p in mine if p.title.startswith("gosrv: worker")]
        return sorted(mine, key=lambda p: (p.start, p.pid))

    def worker_pids(self):
        return [p.pid for p in self.workers()]

    def zygotes(self):
        """The zygotes alive now, oldest first; a worker counts as one until it has its own title."""
        found = [p for p in procs.children(self.pid) if p.title.startswith("gosrv: zygote")]
        return sorted(found, key=lambda p: (p.start, p.pid))

    def wait_workers(self, count, without=(), timeout=20.0):
        """Wait until exactly `count` workers live, none of them in `without`; returns their pids."""

        def look():
            pids = self.worker_pids()
            return pids if len(pids) == count and not set(pids) & set(without) else None

        return wait_for(look, lambda: "%d workers (now %s)" % (count, self.workers()), timeout)

    # -- talk ----------------------------------------------------------------------------------------------------

    def get(self, path="/", **kw):
        return requests.get(self.url + path, timeout=30, **self._trust(kw))

    def post(self, path="/", data=None, **kw):
        return requests.post(self.url + path, data=data, timeout=30, **self._trust(kw))

    def _trust(self, kw):
        """Arguments for requests, with the authority that has signed the server's certificate."""
        if self.tls and "verify" not in kw:
            import authority

            kw["verify"] = str(authority.ca_file())
        return kw

    def wire(self, timeout=15.0):
        return Wire(self.address, timeout)

    def send_signal(self, sig, pid=None):
        os.kill(pid or self.pid, sig)

    def signal_group(self, sig):
        """As Ctrl-C does: to every process of the group at once."""
        os.killpg(self.pid, sig)

    @contextlib.contextmanager
    def held(self):
        """The workers stand still in this block: what a test sends in it is all there when they look, however slow the test is."""
        pids = self.worker_pids()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: {procs.Proc(pid).state for pid in pids} == {"T"}, "the workers' halt")
            yield
        finally:
            for pid in pids:
                procs.kill(pid, signal.SIGCONT)

    # -- stop ----------------------------------------------------------------------------------------------------

    def wait_end(self, timeout=None):
        """Wait for the end of the master; returns its exit code, having looked at what is left."""
        timeout = timeout or STOP_TIME[self.kind]
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimedOut("the server is still there after %.0f s: %s\n%s" % (timeout, procs.group(self.pid), self.log)) from None
        self.stopped = True
        self._nothing_left()
        return code

    def stop(self, sig=signal.SIGTERM):
        """A graceful stop with all its promises checked. Safe to call twice."""
        if self.stopped:
            return
        try:
            last = self.worker_pids()
            self.check_running()
            self.send_signal(sig)
            code = self.wait_end()
            assert code == 0, "exit code %d after %s\n%s" % (code, sig.name, self.log)
            if self.balance and sig == signal.SIGTERM:
                self._balanced(last)
        except BaseException:
            self.abandon()
            raise
        shutil.rmtree(self.dir, ignore_errors=True)

    def _nothing_left(self):
        wait_for(lambda: not procs.group(self.pid), lambda: "no process left, but: %s\n%s" % (procs.group(self.pid), self.log), 5)
        sockets = [a for a in self.addresses if isinstance(a, str) and "\0" not in a and os.path.exists(a)]
        assert not sockets, "left behind: %s" % sockets
        left = {n for n in set(os.listdir("/dev/shm")) - self.shm_before if "gosrv" in n}
        assert not left, "left in /dev/shm: %s" % left

    def _balanced(self, pids):
        """Each worker that lived until the stop says that it dropped every reference it took."""
        lines = {int(pid): (int(taken), int(dropped)) for pid, taken, dropped in REFERENCES.findall(self.log)}
        # A worker that TERM met before its loop ran has taken nothing and says nothing.
        missing = [pid for pid in pids if pid not in lines and "(pid:%d) was sent SIGTERM" % pid not in self.log]
        assert not missing, "no `references taken, dropped` line about %s\n%s" % (missing, self.log)
        uneven = {pid: pair for pid, pair in lines.items() if pair[0] != pair[1]}
        assert not uneven, "references taken and dropped differ: %s\n%s" % (uneven, self.log)

    def abandon(self):
        """End everything by pid, and say where the evidence is. Used when a test has already failed."""
        self.stopped = True
        for sig in (signal.SIGQUIT, signal.SIGKILL):
            for proc in procs.group(self.pid):
                procs.kill(proc.pid, sig)
            try:
                self.process.wait(3)
                wait_for(lambda: not procs.group(self.pid), "the group's end", 2)
                break
            except (subprocess.TimeoutExpired, TimedOut):
                continue
        print("\n--- kept in %s; its log:\n%s" % (self.dir, self.log[-6000:]), file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, failed, *rest):
        if failed and not self.stopped:
            self.abandon()
        else:
            self.stop()


def parse_address(text):
    """`http://127.0.0.1:8000`, `http://[::1]:8000`, `unix:/path` or `unix:\\0name` as socket.connect takes it."""
    if text.startswith("unix:"):
        return text[len("unix:"):].replace("\\0", "\0", 1)
    host, _, port = text.split("://", 1)[1].rpartition(":")
    return host.strip("[]"), int(port)
