"""Many badly behaved clients at once, on one selector, paced by the clock: what a slow network or an attacker looks like."""
import errno
import heapq
import resource
import selectors
import socket
import threading
import time

PACE = 0.25  # seconds between two bytes of a slow client
HEADER = b"GET /slow HTTP/1.1\r\nHost: slow\r\nX-Filler: "
BODY = b"POST /slow HTTP/1.1\r\nHost: slow\r\nContent-Length: 10000\r\n%s\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


class Client:
    """One connection. `script` is bytes to send at once; after that a byte is sent, or read, every PACE seconds."""

    def __init__(self, kind, address, script, trickle=b"", sip=0):
        self.kind = kind
        self.trickle = trickle
        self.sip = sip  # bytes to read at a time
        self.state = "connecting"
        self.got = b""
        self.script = script
        self.sock = socket.socket()
        self.sock.setblocking(False)
        if sip:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        code = self.sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            self.state = "refused: " + errno.errorcode[code]

    def connected(self):
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.state = "open" if code == 0 else "refused: " + errno.errorcode[code]
        if code == 0:
            self.sock.send(self.script)

    def step(self):
        """A little of what this client does. Clients that have been cut off stay away."""
        if self.state != "open":
            return
        try:
            if self.trickle:
                self.sock.send(self.trickle)
        except OSError:
            pass  # too late; what the server has said before is still to be read
        try:
            self.take(self.sock.recv(self.sip or 65536))
        except BlockingIOError:
            pass
        except OSError as error:
            self.state = "cut: " + errno.errorcode[error.errno]

    def take(self, data):
        self.got = (self.got + data)[:200]
        if not data:
            self.state = "held" if self.kind == "never closes" else "cut: end"


class Crowd:
    """All of them, driven by a thread until the block ends."""

    def __init__(self, address, headers=0, bodies=0, readers=0, holders=0):
        make = lambda kind, count, *args, **kw: [Client(kind, address, *args, **kw) for _ in range(count)]
        self.clients = make("slow header", headers, HEADER, b"x")
        self.clients += make("slow body", bodies - bodies // 2, BODY % b"", b"x")
        self.clients += make("slow body after Expect", bodies // 2, BODY % b"Expect: 100-continue\r\n", b"x")
        self.clients += make("slow reader", readers, b"GET /large HTTP/1.1\r\nHost: slow\r\n\r\n", sip=100)
        self.clients += make("never closes", holders, CLOSING)
        self.over = threading.Event()
        self.all_connected = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        assert self.all_connected.wait(20), self.states()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()
        for client in self.clients:
            client.sock.close()

    def run(self):
        self.connect()
        self.all_connected.set()
        due = [(time.monotonic() + PACE * n / len(self.clients), n) for n in range(len(self.clients))]
        heapq.heapify(due)
        while not self.over.is_set():
            when, n = heapq.heappop(due)
            self.over.wait(max(0, when - time.monotonic()))
            self.clients[n].step()
            heapq.heappush(due, (max(when + PACE, time.monotonic()), n))

    def connect(self):
        selector = selectors.DefaultSelector()
        for client in self.clients:
            selector.register(client.sock, selectors.EVENT_WRITE, client)
        deadline = time.monotonic() + 20
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                selector.unregister(key.fileobj)
                key.data.connected()
        selector.close()

    def states(self):
        """How many clients of each kind are in which state."""
        found = {}
        for client in self.clients:
            key = (client.kind, client.state)
            found[key] = found.get(key, 0) + 1
        return found


def raise_descriptor_limit(wanted):
    """Let this process and the servers it starts have so many descriptors; False where the machine does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft >= wanted
