"""Clients that ask all the time and say of every single request what became of it.

A request is counted when its first byte has been sent. Its outcome is one of

    ok          the whole answer, and the right one
    excused     end of file before any byte of the answer, on a reused connection that may have been idle for the server's
                own idle time-out when the request left: both ends spoke at once, which no server can avoid (RFC 9112 9.5)
    lost        end of file before any byte of the answer, in any other case; or no answer for 30 s
    reset       the connection was reset before any byte of the answer, or while it was idle
    truncated   the answer began and did not end, by end of file or reset
    wrong       a whole answer, but not the one that was asked for
    refused     there was no connection, because nobody listens or nobody answers: no request was sent; allowed after a
                final stop only
"""
import collections
import random
import select
import socket
import threading
import time

PATIENCE = 30.0
EXCUSE = 0.05  # seconds that the clocks of the two may differ
BAD = ("lost", "reset", "truncated", "wrong")


class Ended(Exception):
    def __init__(self, outcome):
        super().__init__(outcome)
        self.outcome = outcome


class Connection:
    """One connection, used for one request or for many."""

    def __init__(self, address, idle_timeout):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.idle_timeout = idle_timeout
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(address)
        except (ConnectionRefusedError, FileNotFoundError, socket.timeout):
            self.socket.close()
            raise Ended("refused") from None
        except ConnectionResetError:
            self.socket.close()
            raise Ended("reset") from None
        self.asked = None  # when the last request was about to leave; its answer cannot be older

    def closed_meanwhile(self):
        """Whether the server has said goodbye to an idle connection: what every client looks for before it asks again."""
        if not select.select([self.socket], [], [], 0)[0]:
            return False
        try:
            data = self.socket.recv(1)
        except ConnectionResetError:
            raise Ended("reset") from None
        if data:
            raise Ended("wrong")
        return True

    def ask(self, number, keep):
        """One request; True if the connection can be used again. Raises Ended for anything but ok."""
        before, self.asked = self.asked, time.monotonic()
        try:
            self.socket.sendall(b"GET /?%d HTTP/1.1\r\nHost: t\r\n%s\r\n" % (number, b"" if keep else b"Connection: close\r\n"))
        except (BrokenPipeError, ConnectionResetError):
            raise Ended("reset") from None
        # Not less than the server has waited: this thread may have stood still at any of these lines.
        idle = time.monotonic() - before if before is not None else 0.0
        got = b""
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                raise Ended("truncated" if got else "reset") from None
            except socket.timeout:
                raise Ended("truncated" if got else "lost") from None
            if not data:
                if got:
                    raise Ended("truncated")
                raise Ended("excused" if before is not None and idle >= self.idle_timeout - EXCUSE else "lost")
            got += data
            complete = whole(got)
            if complete is not None:
                break
        status, headers, body = complete
        if status != 200 or body != b"%d" % number:
            raise Ended("wrong")
        return keep and b"connection: close" not in headers.lower()

    def close(self):
        self.socket.close()


def whole(got):
    """(status, header block, body) once an answer with Content-Length is complete."""
    head, mark, body = got.partition(b"\r\n\r\n")
    if not mark:
        return None
    lines = head.lower().split(b"\r\n")
    size = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), None)
    if size is None or len(body) < size:
        return None
    return int(head.split(b" ", 2)[1]), head, body


class Clients:
    """`kept` clients that keep their connection, `closing` ones that open one for each request. A kept one pauses between
    two requests: not at all, for some milliseconds, or for about the idle time-out, by its number."""

    def __init__(self, address, kept=6, closing=4, idle_timeout=3.0, seed=1):
        self.address, self.idle_timeout = address, idle_timeout
        self.counts = collections.Counter()
        self.evidence = []  # (time, client, outcome) of everything bad
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.numbers = 0
        self.threads = [threading.Thread(target=self.run, args=(i, i < kept, random.Random(seed + i))) for i in range(kept + closing)]

    def pause(self, client, rng):
        if client % 3 == 0:
            return 0.0
        if client % 3 == 1:
            return rng.uniform(0.0, 0.03)
        return self.idle_timeout + rng.uniform(-0.2, 0.2) if rng.random() < 0.2 else rng.uniform(0.0, 0.1)

    def note(self, client, outcome):
        with self.lock:
            self.counts[outcome] += 1
            if outcome in BAD:
                self.evidence.append((time.strftime("%H:%M:%S"), client, outcome))

    def number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def run(self, client, keep, rng):
        connection = None
        while not self.over.is_set():
            try:
                if connection is not None and connection.closed_meanwhile():
                    connection.close()
                    connection = None
                if connection is None:
                    connection = Connection(self.address, self.idle_timeout)
                again = connection.ask(self.number(), keep)
                self.note(client, "ok")
            except Ended as end:
                self.note(client, end.outcome)
                again = False
                if end.outcome == "refused":
                    self.over.wait(0.05)
            if not again and connection is not None:
                connection.close()
                connection = None
            if keep:
                self.over.wait(self.pause(client, rng))
        if connection is not None:
            connection.close()

    def progress(self, more, timeout=30.0):
        """Wait until `more` further requests were answered: an event under load takes effect under load."""
        goal = self.counts["ok"] + more
        deadline = time.monotonic() + timeout
        while self.counts["ok"] < goal and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def bad(self):
        return sum(self.counts[outcome] for outcome in BAD)

    def __str__(self):
        order = ("ok", "excused") + BAD + ("refused",)
        return ", ".join("%s %d" % (outcome, self.counts[outcome]) for outcome in order if self.counts[outcome] or outcome in ("ok", "lost"))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        for thread in self.threads:
            thread.join()
