"""The servers that are compared: how each is installed and started, with the settings that its own documentation
recommends for production. All get the same application files, the same Python and the same cores."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import pythons  # noqa: E402

BINARY = os.environ.get("GOSRV_BIN", str(ROOT / "bin" / "gosrv"))
APPLICATIONS = ["flask", "django", "whitenoise", "falcon"]
DRAWING = ["matplotlib", "pyinferno"]


def shown(text):
    """A command or a message as the report shows it: without the folders of this machine."""
    for path, name in ((BINARY, "gosrv"), (str(pythons.CACHE) + "/", ""), (str(HERE) + "/", ""), (str(ROOT) + "/", "")):
        text = text.replace(path, name)
    text = re.sub(r"\bbench-[0-9][\w.-]*/bin/", "", text)
    text = re.sub(r"\bbench-[0-9][\w.-]*\b", "VENV", text)
    return re.sub(r"/\S*/gosrv-bench-\w+", "SCRATCH", text)


GREENLETS = "20000"  # connections that a worker of greenlets takes; Gunicorn's own limit of 1,000 is lower than what is tried


class Lacks(Exception):
    """The server has no such feature; the text says which."""


@dataclass
class Setup:
    """What a scenario wants of a server."""

    app: str            # module with a callable `application`
    port: int
    scratch: Path       # a folder of its own
    bin: Path           # of the virtual environment
    workers: int = 1
    threads: int = 0    # 0: what the server's documentation recommends
    log: str = ""       # access log file
    preload: bool = False
    warm: str = ""      # a page that the application is asked for before the workers are forked

    def program(self, name):
        return str(self.bin / name)

    def without(self, **have):
        """Refuse what the server does not have: without(threads="why")."""
        for name, why in have.items():
            if getattr(self, name) and not (name == "workers" and self.workers == 1) and not (name == "threads" and self.threads == 1):
                raise Lacks(why)


def gosrv(s, *more):
    argv = [BINARY, "--python", s.program("python"), "-b", "127.0.0.1:%d" % s.port, "-w", str(s.workers),
            "--log-level", "warning", *more]
    argv += ["--threads", str(s.threads)] if s.threads else []
    argv += ["--access-logfile", s.log] if s.log else []
    argv += ["--preload"] if s.preload else []
    argv += ["--warm-up", s.warm] if s.warm else []
    return argv + [s.app + ":application"]


def gosrv_without_memo(s):
    return gosrv(s, "--no-environ-memo")


def gunicorn(kind):
    def command(s):
        argv = [s.program("gunicorn"), "-b", "127.0.0.1:%d" % s.port, "-w", str(s.workers), "-k", kind, "--log-level", "warning",
                "--no-control-socket"]
        if kind == "gthread":
            argv += ["--threads", str(s.threads or 4)]
        elif kind == "sync":
            s.without(threads="with threads it is the gthread worker")
        argv += ["--access-logfile", s.log] if s.log else []
        argv += ["--preload"] if s.preload else []
        return argv + [s.app + ":application"]
    return command


def gosrv_green(s):
    return gosrv(s, "-k", "gevent", "--worker-connections", GREENLETS)


def gunicorn_green(kind):
    def command(s):
        argv = gunicorn(kind)(s)
        return argv[:-1] + ["--worker-connections", GREENLETS, argv[-1]]
    return command


def granian(s):
    s.without(preload="has no preload")
    argv = [s.program("granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(s.port), "--workers", str(s.workers),
            "--runtime-mode", "st", "--blocking-threads", str(s.threads or 1), "--backlog", "2048", "--http", "1", "--no-ws",
            "--log-level", "warning"]
    if s.log:
        config = s.scratch / "granian-log.json"
        handler = {"class": "logging.FileHandler", "filename": s.log, "formatter": "access"}
        config.write_text(json.dumps({
            "version": 1, "disable_existing_loggers": False, "formatters": {"access": {"()": "logging.Formatter", "fmt": "%(message)s"}},
            "handlers": {"access": handler},
            "loggers": {"granian.access": {"handlers": ["access"], "level": "INFO", "propagate": False}}}))
        argv[argv.index("--log-level") + 1] = "info"
        argv += ["--access-log", "--log-config", str(config)]
    return argv + [s.app + ":application"]


def by_hand(name):
    """Servers that are started by a call instead of a command."""
    def command(s):
        s.without(threads="has no threads", log="has no access log", preload="has no preload")
        return [s.program("python"), str(HERE / "by_hand.py"), name, s.app, str(s.port), str(s.workers)]
    return command


def peregrine(s):
    s.without(preload="has no preload", log="has no access log to a file")
    return [s.program("peregrine"), "--host", "127.0.0.1", "--port", str(s.port), "--workers", str(s.workers),
            "--wsgi-threads", str(s.threads or 1), "--protocol", "wsgi", "--python-path", ".", s.app + ":application"]


def uwsgi(s):
    argv = [s.program("uwsgi"), "--http-socket", "127.0.0.1:%d" % s.port, "--module", s.app + ":application", "--virtualenv",
            str(s.bin.parent), "--pythonpath", ".", "--master", "--processes", str(s.workers), "--enable-threads", "--single-interpreter", "--need-app",
            "--die-on-term", "--vacuum", "--strict", "--listen", "1024", "--buffer-size", "16384",
            "--add-header", "Connection: close"]
    argv += ["--threads", str(s.threads)] if s.threads else []
    argv += ["--logto", s.log] if s.log else ["--disable-logging"]
    return argv + ([] if s.preload else ["--lazy-apps"])


def waitress(s):
    s.without(workers="has one process", preload="has one process", log="has no access log")
    return [s.program("waitress-serve"), "--listen", "127.0.0.1:%d" % s.port, "--threads", str(s.threads or 4), s.app + ":application"]


def cheroot(s):
    s.without(workers="has one process", preload="has one process", log="has no access log by command")
    argv = [s.program("cheroot"), "--bind", "127.0.0.1:%d" % s.port]
    argv += ["--threads", str(s.threads), "--max-threads", str(s.threads)] if s.threads else []
    return argv + [s.app + ":application"]


def wsgo(s):
    s.without(preload="has no preload")
    if s.log:
        raise Lacks("logs to its output, always")
    return [s.program("wsgo"), "--module", s.app, "--http-socket", "127.0.0.1:%d" % s.port, "--processes", str(s.workers),
            "--workers", str(s.threads or 16)]


def mod_wsgi(s):
    s.without(preload="has no preload")
    # Apache gives up being root; its user cannot read a Python in root's home, so it starts as that user with the right to.
    argv = ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search"] if os.geteuid() == 0 else []
    argv += [s.program("mod_wsgi-express"), "start-server", "--application-type", "module", s.app, "--host", "127.0.0.1",
            "--port", str(s.port), "--processes", str(s.workers), "--threads", str(s.threads or 5), "--server-root",
            str(s.scratch / "mod_wsgi"), "--working-directory", ".", "--python-path", ".", "--log-to-terminal",
             "--locale", "C.UTF-8"]
    if s.log:
        argv += ["--access-log", "--access-log-name", s.log]
    return argv


def weft(s):
    s.without(preload="has no preload", log="logs to its output only")
    argv = [s.program("weft"), "--host", "127.0.0.1", "--port", str(s.port), "--workers", str(s.workers), "--protocol", "wsgi", "--app-dir", ".",
            "--max-body", str(64 << 20)]
    argv += ["--wsgi-threads", str(s.threads)] if s.threads else []
    return argv + [s.app + ":application"]


def m0serve(s):
    s.without(preload="has no preload", log="logs to its output only")
    argv = [s.program("m0serve"), "--host", "127.0.0.1", "--port", str(s.port), "--workers", str(s.workers), "--max-body", "64m",
            "--protocol", "wsgi"]
    argv += ["--blocking-threads", str(s.threads)] if s.threads > 1 else []
    return argv + [s.app + ":application"]


@dataclass
class Peer:
    name: str
    command: callable
    packages: tuple = ()      # for pip; the first one's version is shown
    debian: tuple = ()        # packages that the build needs
    needs: str = ""           # a file that tells that they are there
    threads: bool = False     # runs the application in as many threads as wanted
    workers: bool = True      # in as many processes
    log: bool = False         # has an access log that can go to a file
    preload: bool = False
    warm: bool = False        # can be asked for a page before it serves
    why: str = ""             # about the settings
    memo: bool = True
    green: bool = False       # only in scenarios that are about greenlets, unless it is asked for by name
    apart: bool = False       # its packages do not go together with the others': a virtual environment of its own
    waits: str = "one request at a time"  # without threads


PEERS = [
    Peer("gosrv", gosrv, threads=True, log=True, preload=True, warm=True, why="defaults"),
    Peer("gosrv, no memo", gosrv_without_memo, why="--no-environ-memo: headers parsed and environ built for every request", memo=False),
    Peer("gunicorn sync", gunicorn("sync"), ("gunicorn", "gunicorn_h1c"), log=True, preload=True, why="with the C parser; closes after each answer"),
    Peer("gunicorn gthread", gunicorn("gthread"), ("gunicorn", "gunicorn_h1c"), threads=True, log=True, preload=True, why="with the C parser, 4 threads"),
    Peer("gunicorn gevent", gunicorn_green("gevent"), ("gevent", "gunicorn", "gunicorn_h1c"), log=True, preload=True, why="with the C parser", waits="greenlets"),
    Peer("granian", granian, ("granian",), threads=True, log=True, why="as in its own benchmarks: one runtime thread, one blocking thread, HTTP/1 only"),
    Peer("fastpysgi", by_hand("fastpysgi"), ("fastpysgi",), why="as in its README; bodies up to 64 MB allowed"),
    Peer("bjoern", by_hand("bjoern"), ("bjoern",), ("libev-dev",), "/usr/include/ev.h", why="as in its README; processes by reuse_port"),
    Peer("freastal", by_hand("freastal"), ("freastal",), why="as in its README"),
    Peer("peregrine", peregrine, ("peregrine-server",), threads=True, why="defaults"),
    Peer("uwsgi", uwsgi, ("uwsgi",), threads=True, log=True, preload=True, why="the options of its 'things to know' page; --http-socket closes after each answer"),
    Peer("waitress", waitress, ("waitress",), threads=True, workers=False, why="defaults: 4 threads"),
    Peer("cheroot", cheroot, ("cheroot",), threads=True, workers=False, why="defaults"),
    Peer("wsgo", wsgo, ("wsgo",), threads=True, why="defaults: 16 threads"),
    Peer("mod_wsgi", mod_wsgi, ("mod_wsgi",), ("apache2-dev", "apache2-bin"), "/usr/bin/apxs", threads=True, log=True, why="mod_wsgi-express, defaults: 5 threads"),
    Peer("weft", weft, ("weft-server",), threads=True, why="defaults; bodies up to 64 MB allowed"),
    Peer("gosrv gevent", gosrv_green, ("gevent",), green=True, waits="greenlets", why="-k gevent"),
    Peer("gunicorn eventlet", gunicorn_green("eventlet"), ("gunicorn<26", "eventlet"), green=True, apart=True, waits="greenlets",
         why="25, the last that has the class"),
    Peer("gevent.pywsgi", by_hand("pywsgi"), ("gevent",), green=True, waits="greenlets", why="patched, no log"),
    Peer("m0serve", m0serve, ("m0serve",), threads=True, why="one loop; bodies up to 64 MB allowed"),
]


def chosen(names):
    """The peers of these names, in the table's order; a name may be a beginning, as gunicorn is of three."""
    if not names:
        return PEERS
    found = [p for p in PEERS if any(p.name.startswith(name) for name in names)]
    for name in names:
        if name != "bare C" and not any(p.name.startswith(name) for p in PEERS):
            sys.exit("no server is called %r; there are: bare C, %s" % (name, ", ".join(p.name for p in PEERS)))
    return found


class Installed:
    """The virtual environment of the benchmark: one for all, made once; what could not be installed is remembered with
    the reason and tried again after `make clean`."""

    def __init__(self, say):
        self.python = pythons.default()
        self.home = pythons.CACHE / ("bench-%s" % self.python)
        self.bin = self.home / "bin"
        self.record = self.home / "installed.json"
        self.say = say
        self.listed = {}  # what versions() found, for each environment
        if not self.record.exists():
            self.make(self.home)
            self.record.write_text("{}")
        self.known = json.loads(self.record.read_text())

    def make(self, home):
        shutil.rmtree(home, ignore_errors=True)
        self.say("making a virtual environment for Python %s" % self.python)
        subprocess.run([self.python.executable, "-m", "venv", str(home)], check=True)

    def bin_of(self, peer):
        """The programs of the environment that has a server."""
        return self.home.with_name("%s-%s" % (self.home.name, peer.name.replace(" ", "-"))) / "bin" if peer and peer.apart else self.bin

    def pip(self, packages, bin):
        """Install; the reason why not, or an empty text."""
        try:
            done = subprocess.run([str(bin / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        except subprocess.TimeoutExpired:
            return "pip was not ready after 15 minutes"
        if done.returncode == 0:
            return ""
        lines = [line.strip() for line in done.stdout.splitlines() if "rror" in line] or ["pip ended with code %d" % done.returncode]
        return lines[0][:200]

    def debian(self, peer):
        if not peer.needs or Path(peer.needs).exists() or os.geteuid() != 0 or not shutil.which("apt-get"):
            return
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for argv in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *peer.debian]):
            subprocess.run(argv, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)

    def ensure(self, name, packages, peer=None):
        """Install once; the reason why it is not there, or an empty text."""
        if name not in self.known:
            self.say("installing " + " ".join(packages))
            if peer:
                self.debian(peer)
            if peer and peer.apart:
                self.make(self.bin_of(peer).parent)
            self.known[name] = self.pip(packages, self.bin_of(peer))
            self.record.write_text(json.dumps(self.known, indent=1))
        return self.known[name]

    def peers(self, wanted):
        """(the peers that are there, {name: why not} of the others)."""
        for name, packages in (("applications", APPLICATIONS), ("drawing", DRAWING)):
            why = self.ensure("%s: %s" % (name, " ".join(packages)), packages)
            if why:
                sys.exit("pip cannot install %s: %s" % (", ".join(packages), why))
        missing = {}
        for peer in wanted:
            why = self.ensure(peer.name, peer.packages, peer) if peer.packages else ""
            if why:
                missing[peer.name] = why
        return [p for p in wanted if p.name not in missing], missing

    def version(self, peer):
        """Of a server's packages, as the report shows it."""
        bin = self.bin_of(peer)
        if bin not in self.listed:
            self.listed[bin] = self.versions(bin)
        names = [re.split("[<=>]", name)[0] for name in peer.packages]
        return ", ".join("%s %s" % (name, self.listed[bin].get(name.lower().replace("_", "-"), "?")) for name in names)

    def versions(self, bin):
        """{distribution in small letters: version}."""
        listed = subprocess.run([str(bin / "python"), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
                                capture_output=True, text=True)
        return {row["name"].lower().replace("_", "-"): row["version"] for row in json.loads(listed.stdout or "[]")}
