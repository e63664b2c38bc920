"""Start to first answer, and memory, of the Django example project beside Gunicorn.

    python tests/bench/start.py [--rounds 7]

Run by a Python whose venv has Gunicorn, Django and WhiteNoise. Rounds are interleaved; times are
medians; memory is PSS after one request to each of 2 workers, in MiB.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import bench

SITE = bench.ROOT / "tests" / "apps" / "djangosite"
GOSRV = [str(bench.ROOT / "bin" / "gosrv"), "--python", sys.executable]
GUNICORN = [str(bench.BIN / "gunicorn"), "--no-control-socket"]
SERVERS = {
    "gosrv": GOSRV, "gunicorn": GUNICORN,
    "gosrv --preload": GOSRV + ["--preload"], "gunicorn --preload": GUNICORN + ["--preload"],
}


def environment(data):
    return dict(os.environ, DJANGOSITE_DATA=data)


def prepare(data):
    for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
        subprocess.run([sys.executable, "manage.py"] + command, cwd=SITE, env=environment(data), check=True)


def titles(pid):
    """{what: PSS in MiB} of the processes of the tree; gosrv's name themselves."""
    found = {}
    for p in bench.tree(pid):
        name = Path("/proc/%d/cmdline" % p).read_bytes().split(b"\0")[0].decode(errors="replace").split("[")[0].strip()
        found["%s (%d)" % (name, p)] = bench.pss_of(p)
    return found


def once(command, data):
    port = bench.free_port()
    begun = time.perf_counter()
    process = subprocess.Popen(
        command + ["-w", "2", "-b", "127.0.0.1:%d" % port, "--log-level", "error", "myproject.wsgi"],
        cwd=SITE, env=environment(data), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=5).read()
                break
            except OSError as error:
                if process.poll() is not None or time.perf_counter() - begun > 30:
                    raise SystemExit("does not start: %s" % command) from error
                time.sleep(0.002)
        took = time.perf_counter() - begun
        for _ in range(20):
            urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=5).read()
        return took, titles(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as data:
        prepare(data)
        times, memory = {name: [] for name in SERVERS}, {}
        for _ in range(rounds):
            for name, command in SERVERS.items():
                took, memory[name] = once(command, data)
                times[name].append(took)
    print("| server | start to first answer, ms (median, min) | PSS of the tree, MiB | of which |")
    print("|---|---|---|---|")
    for name in SERVERS:
        parts = ", ".join("%s %.1f" % (what.split(" (")[0], mib) for what, mib in memory[name].items())
        print("| %s | %.0f (%.0f) | %.1f | %s |" % (
            name, statistics.median(times[name]) * 1000, min(times[name]) * 1000, sum(memory[name].values()), parts))


if __name__ == "__main__":
    main()
