"""Thousands of clients on one event loop, each of which checks that what it gets is the answer to what it has asked.

    python green_crowd.py PORT CLIENTS SECONDS     for a server of apps/random_waits that was started by hand
"""
import asyncio
import collections
import hashlib
import os
import random
import sys
import time

PATIENCE = 180  # seconds: ten thousand clients may meet a machine that does other things, too


class Client:
    """One after another, connections of a few requests each: plain ones, bodies, pieces, pipelines, and some that are broken off."""

    def __init__(self, crowd, number):
        self.crowd, self.number = crowd, number
        self.asked = 0

    async def run(self):
        while time.monotonic() < self.crowd.end:
            try:
                async with self.crowd.entrance:
                    reader, writer = await asyncio.wait_for(asyncio.open_connection(*self.crowd.address), PATIENCE)
            except OSError as error:
                self.crowd.bad("refused: %s" % error)
                return
            try:
                for _ in range(random.randrange(1, 12)):
                    if not await asyncio.wait_for(self.exchange(reader, writer), PATIENCE):
                        break
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
                self.crowd.bad("lost: %r" % error)
            finally:
                writer.close()

    def request(self):
        """The bytes of one request, and the body of its answer."""
        self.asked += 1
        mine = "c%dr%d" % (self.number, self.asked)
        path = random.choice(("/plain", "/plain", "/pieces", "/write", "/body"))
        body = os.urandom(random.randrange(1, 20000)) if path == "/body" else b""
        head = "%s %s?id=%s&ms=%d HTTP/1.1\r\nHost: t\r\n" % ("POST" if body else "GET", path, mine, self.crowd.longest)
        text = mine.encode()
        expected = {"/plain": text, "/body": text + b" " + hashlib.sha256(body).hexdigest().encode()}.get(path, text * 4)
        return (head + ("Content-Length: %d\r\n\r\n" % len(body) if body else "\r\n")).encode(), body, expected

    async def exchange(self, reader, writer):
        """One request or three at once; false where the client has gone before its answer."""
        wanted = []
        for _ in range(3 if random.random() < 0.1 else 1):
            head, body, expected = self.request()
            wanted.append(expected)
            writer.write(head + body[:len(body) // 2])
            if body and random.random() < 0.3:
                await writer.drain()
                await asyncio.sleep(random.random() * self.crowd.longest / 1000)
            writer.write(body[len(body) // 2:])
        await writer.drain()
        if random.random() < 0.02:
            self.crowd.counts["gone"] += 1
            return False
        for expected in wanted:
            status, found = await answer(reader)
            self.crowd.note(status == 200 and found == expected, "%s %r for %r" % (status, found[:100], expected[:100]))
        return True


async def answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" in head:
        found = b""
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            data = (await reader.readexactly(size + 2))[:-2]
            if not size:
                return status, found
            found += data
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return status, await reader.readexactly(length)


class Crowd:
    """`clients` of them for so many seconds; `longest` is the longest single wait of the application in milliseconds."""

    def __init__(self, address, clients, seconds, longest=30):
        self.address, self.clients, self.longest = address, clients, longest
        self.counts = collections.Counter()
        self.evidence = []
        self.entrance = asyncio.Semaphore(100)  # or they would all connect first, and ask when their time is over
        self.end = time.monotonic() + seconds

    def note(self, good, what):
        if good:
            self.counts["ok"] += 1
        else:
            self.bad("wrong: " + what)

    def bad(self, what):
        self.counts[what.split(":")[0]] += 1
        self.evidence.append(what)

    async def run(self):
        await asyncio.gather(*(Client(self, number).run() for number in range(self.clients)))
        return self


def crowd(*args, **kw):
    async def run():
        return await Crowd(*args, **kw).run()  # made in the loop: up to Python 3.9 a semaphore belongs to one

    return asyncio.run(run())


if __name__ == "__main__":
    done = crowd(("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]))
    print(dict(done.counts), done.evidence[:10])
