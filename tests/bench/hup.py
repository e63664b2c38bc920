"""How soon HUP brings new code, beside Gunicorn.

    python tests/bench/hup.py [--rounds 20] [--bin bin/gosrv] [--app small,django] [--server "gosrv sync,..."] [--clients idle,busy]

Run by a Python whose venv has Gunicorn, Django and WhiteNoise. Each round writes a new number into
a file that the application reads when it is imported, sends HUP, and notes which number each answer
carries. One client connects anew for each request, every 2 ms, and asks for no more than the number;
"busy" adds two that keep their connections, ask for the front page and do not pause. Rounds of the servers are interleaved. Times are milliseconds since HUP:
medians, in brackets the largest. "slowest": the longest that a client of the first kind waited for an answer.
"""

import argparse
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from processes import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = ROOT / "tests" / "apps" / "djangosite"
GUNICORN = [str(Path(sys.executable).parent / "gunicorn"), "--no-control-socket"]
SERVERS = {
    "gosrv sync": ["gosrv"], "gunicorn sync": GUNICORN,
    "gosrv gthread": ["gosrv", "--threads", "4"], "gunicorn gthread": GUNICORN + ["--threads", "4"],
    "gosrv sync --preload": ["gosrv", "--preload"],  # Gunicorn serves the old code on
}
APPS = {
    "small": 'def inner(environ, start_response):\n    start_response("200 OK", [("Content-Length", "5")])\n    return [b"hello"]\n',
    "django": "from myproject.wsgi import application as inner\n",
}
VERSIONED = """
with open("version") as f:
    VERSION = f.read()


def application(environ, start_response):
    def start(status, headers, exc_info=None):
        return start_response(status, headers + [("X-Version", VERSION)], exc_info)
    if environ["PATH_INFO"] == "/version":
        start("200 OK", [("Content-Length", "0")])
        return []
    return inner(environ, start)
"""
REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n"
SETTLED = 0.3  # seconds without an answer of the old code end a round


class Lost(Exception):
    pass


def answer(conn):
    """(version, whether the server keeps the connection) of one answer; Content-Length or to the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            raise Lost("closed in the head" if data else "closed")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Lost(head.split(b"\r\n")[0].decode())
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    while length is None or len(body) < int(length[1]):
        more = conn.recv(65536)
        if not more:
            if length is None:
                break
            raise Lost("closed in the body")
        body += more
    kept = length is not None and not re.search(rb"(?i)\r\nconnection: close", head)
    return int(re.search(rb"(?i)\r\nx-version: (\d+)", head)[1]), kept


class Clients:
    """Ask until told to stop; `seen` has (begun, ended, version, whether on a new connection) of each answer."""

    def __init__(self, port, busy):
        self.port, self.seen, self.lost, self.ended = port, [], [], False
        self.threads = [threading.Thread(target=self.run, args=(b"close", 0.002))]
        self.threads += [threading.Thread(target=self.run, args=(b"keep-alive", 0)) for _ in range(2 if busy else 0)]
        for thread in self.threads:
            thread.start()

    def run(self, connection, pause):
        request, conn = REQUEST % (b"/version" if connection == b"close" else b"/", connection), None
        while not self.ended:
            begun = time.perf_counter()
            fresh = conn is None
            try:
                if conn is None:
                    conn = socket.create_connection(("127.0.0.1", self.port), 20)
                    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                elif select.select([conn], [], [], 0)[0]:
                    raise Lost("closed")  # between two requests, as any server may
                conn.sendall(request)
                version, kept = answer(conn)
            except (Lost, OSError) as e:
                if fresh or str(e) != "closed":
                    self.lost.append(e)
                kept = False
            else:
                self.seen.append((begun, time.perf_counter(), version, connection == b"close"))
            if not kept and conn is not None:
                conn.close()
                conn = None
            if pause:
                time.sleep(pause)

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join()


class Server:
    def __init__(self, name, app, folder, env, binary, extra):
        self.name, self.port, self.folder, self.version = name, free_port(), folder, 1
        folder.mkdir()
        (folder / "versioned.py").write_text(APPS[app] + VERSIONED)
        (folder / "version").write_text("1")
        command = [w.replace("gosrv", binary) if i == 0 else w for i, w in enumerate(SERVERS[name])]
        if SERVERS[name][0] == "gosrv":
            command += ["--python", sys.executable]
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(command + ["-w", "2", "-b", "127.0.0.1:%d" % self.port] + extra + ["versioned"], cwd=folder,
                                        env=env, start_new_session=True, stdout=self.log, stderr=self.log)
        clients = Clients(self.port, False)
        self.until(lambda: clients.seen, clients)
        clients.stop()

    def until(self, happened, clients):
        limit = time.perf_counter() + 20
        while not happened():
            if time.perf_counter() > limit or self.process.poll() is not None:
                clients.ended = True
                raise SystemExit("%s: no answer of version %d\n%s" % (self.name, self.version, (self.folder / "log").read_text()[-2000:]))
            time.sleep(0.005)

    def round(self, busy):
        clients = Clients(self.port, busy)
        time.sleep(0.1)
        self.version += 1
        (self.folder / "version").write_text(str(self.version))
        sent = time.perf_counter()
        os.kill(self.process.pid, signal.SIGHUP)
        self.until(lambda: clients.seen and clients.seen[-1][2] == self.version, clients)

        def settled():
            old = max((s[1] for s in list(clients.seen) if s[2] != self.version), default=sent)
            return time.perf_counter() - max(old, sent) > SETTLED

        self.until(settled, clients)
        clients.stop()
        after = [s for s in clients.seen if s[1] > sent]
        return {"first new": min(s[1] for s in after if s[2] == self.version) - sent,
                "last old": max((s[1] for s in after if s[2] != self.version), default=sent) - sent,
                "slowest": max(s[1] - s[0] for s in after if s[3]), "lost": len(clients.lost)}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()


def measure(app, servers, loads, rounds, scratch, binary, extra):
    env = dict(os.environ, PYTHONPATH=str(SITE), DJANGOSITE_DATA=str(scratch / "data"))
    if app == "django" and not (scratch / "data").exists():
        (scratch / "data").mkdir()
        for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
            subprocess.run([sys.executable, "manage.py"] + command, cwd=SITE, env=env, check=True)
    there, rows = [], {}
    try:
        for name in servers:
            there.append(Server(name, app, scratch / ("%s %s" % (app, name)), env, binary, extra))
        for _ in range(rounds):
            for server in there:
                for load in loads:
                    rows.setdefault((server.name, load), []).append(server.round(load == "busy"))
    finally:
        for server in there:
            server.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--bin", default=str(ROOT / "bin" / "gosrv"))
    parser.add_argument("--app", default="small,django")
    parser.add_argument("--server", default=",".join(SERVERS))
    parser.add_argument("--clients", default="idle,busy")
    parser.add_argument("extra", nargs="*", help="further settings of the servers, after --")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # no server is left behind
    print("| application, server | clients | first answer of new code | last of old code | slowest | lost |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for app in args.app.split(","):
            rows = measure(app, args.server.split(","), args.clients.split(","), args.rounds, Path(scratch), args.bin, args.extra)
            for (name, load), results in sorted(rows.items(), key=lambda row: row[0][1], reverse=True):
                cells = ["%.0f (%.0f)" % (statistics.median(r[what] for r in results) * 1000, max(r[what] for r in results) * 1000)
                         for what in ("first new", "last old", "slowest")]
                print("| %s, %s | %s | %s | %d |" % (app, name, load, " | ".join(cells), sum(r["lost"] for r in results)), flush=True)


if __name__ == "__main__":
    main()
