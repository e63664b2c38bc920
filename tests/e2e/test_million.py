"""A million requests of all kinds over some ten thousand connections, and what the server has kept of them: nothing."""
import os
import random
import re
import selectors
import socket
import threading

import pytest

import share

pytestmark = [pytest.mark.soak, pytest.mark.gosrv_only("the bound is gosrv's")]
BATCH, WARM, ALL = 100, share.of(100_000, 100_000), share.of(1_000_000, 500_000)
CLIENTS = 2
MOST = 1 << 20  # bytes that a process may have grown by
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def request(chance, path, method="GET", body=b"", headers=()):
    """One whose query, cookie, order of headers and browser hardly ever repeat."""
    lines = ["Host: test", "User-Agent: browser/%d" % chance.randrange(1000), "Cookie: id=%d" % chance.getrandbits(48), *headers]
    chance.shuffle(lines)
    if method == "POST" and not any(line.startswith("Transfer-Encoding") for line in lines):
        lines.append("Content-Length: %d" % len(body))
    return ("%s %s?q=%d HTTP/1.1\r\n%s\r\n\r\n" % (method, path, chance.randrange(10**6), "\r\n".join(lines))).encode() + body


def chunked(size):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"c" * size) if size else b"0\r\n\r\n"


def one(chance):
    """(status to come, bytes) of a request after which the connection stays."""
    kind = chance.randrange(100)
    if kind < 40:
        return 200, request(chance, "/")
    if kind < 55:
        return 200, request(chance, "/", "POST", b"b" * int(2 ** chance.uniform(0, 12)))
    if kind < 60:
        return 200, request(chance, "/", "POST", chunked(chance.randrange(3000)), ["Transfer-Encoding: chunked"])
    if kind < 75:
        return 200, request(chance, "/stream")
    if kind < 85:
        return 404, request(chance, "/missing")
    if kind < 92:
        return 200, request(chance, "/file")
    return 200, request(chance, "/write")


def last(chance, turn):
    """The same of one after which it does not; None: it is cut, with or without a status."""
    return (
        (200, request(chance, "/", headers=["Connection: close"])),
        (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        (500, request(chance, "/raises", headers=["Connection: close"])),
        (None, request(chance, "/breaks")),
        (501, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        (200, request(chance, "/", "POST", b"b" * 40_000, ["Connection: close"])),
        (200, request(chance, "/stream", headers=["Connection: close"])),
        (404, request(chance, "/missing", headers=["Connection: close"])),
        (None, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"),
    )[turn % 9]


def exchange(address, data):
    """Send and read at once, to the end of both: either buffer may be full."""
    got = []
    with socket.create_connection(address, timeout=60) as sock, selectors.DefaultSelector() as ready:
        sock.setblocking(False)
        ready.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        left = memoryview(data)
        while True:
            events = ready.select(60)
            assert events, "no answer for a minute"
            if events[0][1] & selectors.EVENT_WRITE:
                left = left[sock.send(left):]
                if not left:
                    sock.shutdown(socket.SHUT_WR)
                    ready.modify(sock, selectors.EVENT_READ)
            if events[0][1] & selectors.EVENT_READ:
                piece = sock.recv(1 << 18)
                if not piece:
                    return b"".join(got)
                got.append(piece)


def send(address, count, seed):
    chance = random.Random(seed)
    for turn in range(count // BATCH):
        batch = [one(chance) for _ in range(BATCH - 1)] + [last(chance, turn)]
        got = exchange(address, b"".join(data for _, data in batch))
        wanted, statuses = [status for status, _ in batch], [int(s) for s in STATUS.findall(got)]
        assert statuses[:BATCH - 1] == wanted[:-1]
        assert wanted[-1] is None or statuses[-1] == wanted[-1]


def load(address, count, seed):
    failures = []

    def run(seed):
        try:
            send(address, count // CLIENTS, seed)
        except BaseException as failure:
            failures.append(failure)

    clients = [threading.Thread(target=run, args=(seed + n,)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures, failures


def own(pid):
    """Resident bytes without those of files: of the program's code a process maps what it comes to run, bit by bit, and
    the kernel has that once for all."""
    with open("/proc/%d/statm" % pid) as f:
        _, resident, files, *_ = map(int, f.read().split())
    return (resident - files) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("args", [(), ("--threads", "4"), ("--stream-request-body",)], ids=["sync", "threads", "streamed bodies"])
def test_a_million_requests_leave_nothing(start, args, tmp_path):
    log = tmp_path / "access.log"
    server = start("kinds", "--access-logfile", str(log), *args)
    processes = {"master": server.pid, "worker": server.worker_pids()[0]}
    load(server.address, WARM, 1)
    before = {name: own(pid) for name, pid in processes.items()}
    load(server.address, ALL - WARM, 1000)
    grown = {name: own(pid) - before[name] for name, pid in processes.items()}
    print({name: "%d KiB, by %d" % (before[name] >> 10, grown[name] >> 10) for name in processes})
    assert max(grown.values()) < MOST, grown
