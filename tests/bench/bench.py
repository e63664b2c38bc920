"""Measures servers side by side: requests per second and CPU per request.

The server is pinned to core 0, wrk to core 1; rounds are interleaved (A B C A B C), and
CPU is user + system time of the server's whole process tree, read from /proc. Only
ratios of one run mean something. For more servers and scenarios see compare.py.

    python tests/bench/bench.py [--rounds 5] [--seconds 4] [--connections 64] [server ...]
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import free_port, memory, pss_of, tree, usage  # noqa: F401 (start.py takes some from here)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
APPS = ROOT / "tests" / "apps"
BIN = Path(sys.executable).parent

# name -> command line; {port} is filled in. The first is the yardstick of the ratios.
SERVERS = {
    "bare C": ["{limit}", "{port}"],
    "gosrv": [str(ROOT / "bin" / "gosrv"), "--python", sys.executable, "-b", "127.0.0.1:{port}",
              "--log-level", "warning", "hello:application"],
    "gosrv --threads 4": [str(ROOT / "bin" / "gosrv"), "--python", sys.executable, "-b",
                          "127.0.0.1:{port}", "--threads", "4", "--log-level", "warning",
                          "hello:application"],
    "gunicorn sync": [str(BIN / "gunicorn"), "-b", "127.0.0.1:{port}", "--log-level", "warning",
                      "hello:application"],
    "gunicorn gthread": [str(BIN / "gunicorn"), "-b", "127.0.0.1:{port}", "-k", "gthread",
                         "--threads", "4", "--log-level", "warning", "hello:application"],
}


class Running:
    """One server on core 0, in a process group of its own."""

    def __init__(self, command, limit):
        self.port = free_port()
        words = [w.format(port=self.port, limit=limit) for w in command]
        self.process = subprocess.Popen(
            ["taskset", "-c", "0"] + words, cwd=APPS, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self):
        for _ in range(500):
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                c.request("GET", "/")
                response = c.getresponse()
                response.read()
                assert response.status == 200, response.status
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the server does not answer: %s" % self.process.args)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def load(port, seconds, connections):
    """One wrk run on core 1: (requests, seconds, p99 in ms, errors)."""
    out = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency",
         "http://127.0.0.1:%d/" % port], capture_output=True, text=True, check=True).stdout
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    return int(requests), float(took), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], errors


def measure(names, rounds, seconds, connections, limit):
    servers = {name: Running(SERVERS[name], limit) for name in names}
    results = {name: [] for name in names}
    try:
        for name in names:
            load(servers[name].port, 1, connections)  # warm
        for n in range(rounds):
            for name in names:
                s = servers[name]
                before = usage(s.process.pid)
                requests, took, p99, errors = load(s.port, seconds, connections)
                used = before.until(usage(s.process.pid))
                results[name].append((requests / took, used / max(1, requests) * 1e6, p99, errors))
                print("round %d  %-18s %8.0f req/s  %6.2f us" % ((n + 1, name) + results[name][-1][:2]),
                      file=sys.stderr, flush=True)
        pss = {name: memory(servers[name].process.pid)[1] for name in names}
    finally:
        for s in servers.values():
            s.stop()
    return results, pss


def table(results, pss):
    lines = ["| server | requests/s | CPU us/request (median, min-max) | x bare C | p99 ms | errors | PSS MiB |",
             "|---|---|---|---|---|---|---|"]
    yard = statistics.median(r[1] for r in results["bare C"]) if "bare C" in results else None
    for name, rows in results.items():
        cpu = [r[1] for r in rows]
        lines.append("| %s | %.0f | %.1f (%.1f-%.1f) | %s | %.2f | %d | %.1f |" % (
            name, statistics.median(r[0] for r in rows), statistics.median(cpu), min(cpu), max(cpu),
            "%.2f" % (statistics.median(cpu) / yard) if yard else "",
            statistics.median(r[2] for r in rows), sum(r[3] for r in rows), pss[name]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", help="also write the raw figures to this file")
    parser.add_argument("servers", nargs="*", default=list(SERVERS), help=", ".join(SERVERS))
    args = parser.parse_args()
    if os.cpu_count() < 2 or not shutil.which("wrk"):
        raise SystemExit("two cores and wrk are needed (apt-get install wrk)")
    with tempfile.TemporaryDirectory() as scratch:
        limit = os.path.join(scratch, "limit")
        subprocess.run(["cc", "-O2", "-Wall", "-o", limit, str(HERE / "limit.c")], check=True)
        results, pss = measure(args.servers, args.rounds, args.seconds, args.connections, limit)
    print(table(results, pss))
    if args.json:
        Path(args.json).write_text(json.dumps({"results": results, "pss": pss}, indent=1))


if __name__ == "__main__":
    main()
