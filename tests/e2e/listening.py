"""Servers that only listen: for syslog and statsd, over every kind of socket."""
import random
import socket
import threading

from waiting import wait_for


def free_port():
    """A port that nobody has now, and that the kernel gives to nobody who does not ask for it: it stays free."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first = int(f.read().split()[0])
    while True:
        port = random.randrange(10_000, first)
        try:
            socket.create_server(("", port), reuse_port=False).close()
        except OSError:
            continue
        return port


class Listener:
    """Collects messages: a datagram each, or what a stream has up to an end mark.

    later=True: the port is taken, and refuses connections until begin().
    """

    def __init__(self, kind, path=None, end=b"\0", later=False):
        self.got, self.lock, self.end, self.path = [], threading.Lock(), end, path
        self.stream = kind in ("tcp", "unix-stream")
        unix = kind.startswith("unix")
        self.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM)
        self.sock.bind(str(path) if unix else ("127.0.0.1", 0))
        self.port = None if unix else self.sock.getsockname()[1]
        if not later:
            self.begin()

    def begin(self):
        if self.stream:
            self.sock.listen()
        threading.Thread(target=self._accept if self.stream else self._datagrams, daemon=True).start()

    def _datagrams(self):
        while True:
            try:
                data = self.sock.recv(1 << 17)
            except OSError:
                return
            with self.lock:
                self.got.append(data)

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._lines, args=(conn,), daemon=True).start()

    def _lines(self, conn):
        rest = b""
        with conn:
            while True:
                try:
                    data = conn.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                *whole, rest = (rest + data).split(self.end)
                with self.lock:
                    self.got += [one + self.end for one in whole]

    def all(self):
        with self.lock:
            return list(self.got)

    def wait(self, word, timeout=20):
        """The first message that has the word."""
        word = word.encode() if isinstance(word, str) else word

        def look():
            return next((one for one in self.all() if word in one), None)

        return wait_for(look, lambda: "%r among %r" % (word, self.all()), timeout)

    def catch_up(self):
        """Wait until every datagram sent before this moment is collected: one of our own is behind them."""
        mark = b"mark %d" % len(self.all())
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as own:
            own.sendto(mark, str(self.path) if self.port is None else ("127.0.0.1", self.port))
        self.wait(mark)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
