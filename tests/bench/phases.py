"""Where the time from the start of gosrv to its first answer goes, in ms: each phase's shortest and median time.

    python tests/bench/phases.py [--rounds 20] [--app hello|page]

Told by the hooks of a configuration file, whose objects (pyshim/gosrv_shim/view) cost some milliseconds themselves. Beside it: what
Python alone takes to start, and to import the application. Run by a Python whose venv has Django.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import bench
import start

APPS = {"hello": (bench.APPS, "hello", "/"), "page": (bench.HERE / "apps", "django_page", "/page/3?wanted=a")}
HOOKS = """
import os, time

def mark(name):
    with open(os.environ["MARKS"], "a") as out:
        out.write("%s %r\\n" % (name, time.time()))

mark("config")
def when_ready(server): mark("when_ready")
def pre_fork(server, worker): mark("pre_fork")
def post_fork(server, worker): mark("post_fork")
def post_worker_init(worker): mark("imported")
"""
PHASES = {  # what ends it
    "config": "master begins, zygote: interpreter, site, shim; seed",
    "when_ready": "settings, logs, sockets",
    "pre_fork": "order to fork",
    "post_fork": "two forks",
    "imported": "import of the application",
    "answer": "Go begins in the worker, first request",
}


def answers(port, path):
    try:
        return urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=10).status == 200
    except OSError:
        return False


def once(app, folder):
    """{what ends a phase: when}, and when it all began."""
    cwd, name, path = APPS[app]
    marks = folder / "marks"
    marks.unlink(missing_ok=True)
    port = bench.free_port()
    began = time.time()
    process = subprocess.Popen(
        start.GOSRV + ["-c", str(folder / "conf.py"), "-b", "127.0.0.1:%d" % port, "--log-level", "critical", name],
        cwd=cwd, env=dict(start.environment(str(folder)), MARKS=str(marks)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(port, path):
            if process.poll() is not None:
                raise SystemExit("the server ended with code %d" % process.returncode)
            time.sleep(0.0005)
        answered = time.time()
    finally:
        process.terminate()
        process.wait()
    found = {name: float(at) for name, at in (line.split() for line in marks.read_text().splitlines())}
    return began, {**found, "answer": answered}


def python(code, cwd):
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--app", choices=APPS, default="page")
    args = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conf.py").write_text(HOOKS)
        for _ in range(args.rounds):
            before, ends = once(args.app, Path(folder))
            rows.setdefault("all", []).append(ends["answer"] - before)
            for end, what in PHASES.items():
                rows.setdefault(what, []).append(ends[end] - before)
                before = ends[end]
            cwd, name, _ = APPS[args.app]
            rows.setdefault("beside it: python -c pass", []).append(python("pass", cwd))
            rows.setdefault("beside it: python -c 'import %s'" % name, []).append(python("import " + name, cwd))
    print("| | shortest | median |\n|---|---|---|")
    for what, times in rows.items():
        print("| %s | %.1f | %.1f |" % (what, min(times) * 1000, statistics.median(times) * 1000))


if __name__ == "__main__":
    main()
