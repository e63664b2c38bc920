"""What HTTPS costs: gosrv with and without it, beside granian and Gunicorn, in interleaved rounds on a server's core and a client's.

    tests/.cache/bench-3.11.7/bin/python tests/bench/tls.py [--rounds 7] [--seconds 4] [--only hello,new]

CPU is that of the server's whole tree, in us a request. hello: 64 kept connections; new: a connection and a handshake (ECDSA P-256) for each request;
1 MB: 8 kept connections; idle: memory of 1,000 connections that wait, in KB each; storm: p99 in ms of 4 kept connections beside 400 new ones a second
whose handshakes are RSA-2048, on the server's core. Needs wrk, openssl, two cores and a quiet machine.
"""

import argparse
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import peers
import processes

HERE = Path(__file__).resolve().parent
IDLE, STORM, KEPT, EVERY = 1000, 400, 4, 0.005  # connections, new ones a second, kept ones, seconds between their requests


def certificates(folder):
    """Pairs of files, by kind of key. granian wants PKCS#8, which openssl writes."""
    made = {}
    for kind, how in (("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["rsa:2048"])):
        made[kind] = [str(Path(folder) / (kind + end)) for end in (".pem", ".key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", *how, "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", made[kind][0], "-keyout", made[kind][1]], check=True, capture_output=True)
    return made


def commands(setup, pair):
    cert, key = pair
    return {
        "gosrv plain": peers.gosrv(setup),
        "gosrv": peers.gosrv(setup, "--certfile", cert, "--keyfile", key),
        "granian": peers.granian(setup)[:-1] + ["--ssl-certificate", cert, "--ssl-keyfile", key, "--ssl-protocol-min", "tls1.2", setup.app + ":application"],
        "gunicorn gthread": peers.gunicorn("gthread")(setup)[:-1] + ["--certfile", cert, "--keyfile", key, setup.app + ":application"],
    }


class Servers:
    """All of one measurement, up at the same time; each gets its turn."""

    def __init__(self, app, pair, names):
        self.running = {}
        for name in names:
            setup = peers.Setup(app=app, port=processes.free_port(), scratch=Path(tempfile.mkdtemp(prefix="gosrv-bench-tls-")), bin=Path(sys.prefix) / "bin")
            server = processes.Server(commands(setup, pair)[name], cwd=HERE / "apps", port=setup.port, log=setup.scratch / "log")
            server.wait()
            self.running[name] = server

    def __enter__(self):
        return self.running

    def __exit__(self, *_):
        for server in self.running.values():
            server.ask_to_stop()
        for server in self.running.values():
            server.stop()


def wrk(name, server, seconds, connections, *more):
    url = "%s://127.0.0.1:%d/" % ("http" if name == "gosrv plain" else "https", server.port)
    before = processes.usage(server.pid)
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, *more, url], capture_output=True, text=True).stdout
    used = before.until(processes.usage(server.pid))
    count = int(re.search(r"(\d+) requests in", out).group(1))
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if not count or wrong:
        raise SystemExit("%s: %s" % (name, out))
    return used / count * 1e6


def cpu(app, pair, rounds, seconds, connections=64, more=(), names=("gosrv plain", "gosrv", "granian", "gunicorn gthread")):
    """us a request, by server: all rounds."""
    found = {name: [] for name in names}
    with Servers(app, pair, names) as running:
        for server in running.items():
            wrk(*server, 1, connections, *more)
        for turn in range(rounds):
            order = list(names[turn % len(names):]) + list(names[:turn % len(names)])
            for name in order:
                found[name].append(wrk(name, running[name], seconds, connections, *more))
    return found


def trusting():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def opened(port, context):
    sock = socket.create_connection(("127.0.0.1", port), 20)
    return context.wrap_socket(sock) if context else sock


def ask(sock):
    sock.sendall(ASK)
    got = b""
    while b"Hello, World!" not in got:
        part = sock.recv(4096)
        if not part:
            raise OSError("closed")
        got += part


def idle(pair, rounds):
    """KB of PSS that a connection costs which has asked once and waits."""
    names = ("gosrv plain", "gosrv", "granian", "gunicorn gthread")
    found = {name: [] for name in names}
    for _ in range(max(rounds // 3, 1)):
        with Servers("hello", pair, names) as running:
            for name, server in running.items():
                context = None if name == "gosrv plain" else trusting()
                for _ in range(30):
                    with opened(server.port, context) as sock:
                        ask(sock)
                time.sleep(0.5)
                before = processes.memory(server.pid)[1]
                kept = []
                for _ in range(IDLE):
                    kept.append(opened(server.port, context))
                    ask(kept[-1])
                time.sleep(1)
                found[name].append((processes.memory(server.pid)[1] - before) * 1024 / IDLE)
                for sock in kept:
                    sock.close()
    return found


def keep_asking(port, seconds, times):
    context = trusting()
    with opened(port, context) as sock:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            ask(sock)
            times.append((time.perf_counter() - begun) * 1e3)
            time.sleep(EVERY)


def kept_clients(port, seconds):
    """In a process of its own, so that the storm's threads do not take its turn: prints p99 in ms."""
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    times = []
    threads = [threading.Thread(target=keep_asking, args=(port, seconds, times)) for _ in range(KEPT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(times)[int(len(times) * 0.99)])


def storm_of(port, seconds):
    """New connections at a fixed rate, each with a whole handshake; prints how many there were."""
    context, done, lock = trusting(), [0], threading.Lock()
    begun = time.monotonic()

    def run(first):
        for i in range(first, int(seconds * STORM), 8):
            time.sleep(max(begun + i / STORM - time.monotonic(), 0))
            try:
                opened(port, context).close()
            except OSError:
                continue
            with lock:
                done[0] += 1

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(done[0])


def storm(pair, rounds, seconds):
    """p99 in ms, by server, of kept connections alone and beside the storm."""
    names = ("gosrv", "granian", "gunicorn gthread")
    found = {}

    def part(what, server, length):
        return subprocess.Popen(["taskset", "-c", "1", sys.executable, __file__, "--part", what, str(server.port), str(length)], stdout=subprocess.PIPE, text=True)

    with Servers("hello", pair, names) as running:
        for _ in range(rounds):
            for name, server in running.items():
                alone = float(part("kept", server, seconds).communicate()[0])
                raging = part("storm", server, seconds + 2)
                time.sleep(0.5)
                beside = float(part("kept", server, seconds).communicate()[0])
                reached = int(raging.communicate()[0]) / (seconds + 2)
                found.setdefault(name + " alone", []).append(alone)
                found.setdefault(name + " in the storm", []).append(beside)
                found.setdefault(name + " handshakes/s", []).append(reached)
    return found


def show(title, unit, found, of=()):
    """Medians, their spread, and what is a ratio of what."""
    print("\n%s, %s" % (title, unit))
    for name, values in found.items():
        print("  %-32s %10.2f   (%.2f to %.2f)" % (name, statistics.median(values), min(values), max(values)))
    for this, that, most in of:
        ratio = statistics.median(a / b for a, b in zip(found[this], found[that]))
        print("  %-32s %10.2f   wanted: <= %.2f%s" % (this + " / " + that, ratio, most, "" if ratio <= most else "   MISSED"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="hello,new,1mb,idle,storm")
    given = parser.parse_args()
    only = given.only.split(",")
    processes.adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        if "hello" in only:
            show("hello", "us a request", cpu("hello", made["ecdsa"], given.rounds, given.seconds), [("gosrv", "gosrv plain", 1.20), ("gosrv", "granian", 0.75)])
        if "new" in only:
            show("new connection", "us a request", cpu("hello", made["ecdsa"], given.rounds, given.seconds, 16, ("-H", "Connection: close")),
                 [("gosrv", "granian", 1.35), ("gosrv", "gunicorn gthread", 0.25)])
        if "1mb" in only:
            show("1 MB", "us a request", cpu("one_mb", made["ecdsa"], given.rounds, given.seconds, 8), [("gosrv", "granian", 1.45), ("gosrv", "gunicorn gthread", 0.75)])
        if "idle" in only:
            show("idle connection", "KB of PSS each", idle(made["ecdsa"], given.rounds))
        if "storm" in only:
            show("4 kept connections beside %d RSA handshakes a second" % STORM, "p99 in ms", storm(made["rsa"], max(given.rounds // 2, 1), 5))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        {"kept": kept_clients, "storm": storm_of}[sys.argv[2]](int(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
