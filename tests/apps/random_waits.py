"""Each answer belongs to its request, however often and at whatever depth of C frames its greenlet has waited; /left counts what is left."""
import gc
import hashlib
import json
import os
import random
import threading
import time
from urllib.parse import parse_qs

local = threading.local()
running = 0
closed = opened = 0


def nest(depth, seconds):
    """A wait below so many frames of C: sorted() calls back into Python."""
    if depth == 0:
        time.sleep(seconds)
        return 0
    return sorted([0], key=lambda _: nest(depth - 1, seconds))[0]


class Pieces:
    def __init__(self, mine, longest):
        global opened
        opened += 1
        self.mine, self.longest, self.left = mine, longest, 4

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        nest(random.randrange(10), random.random() * self.longest)
        assert local.mine == self.mine, "state of another greenlet"
        return self.mine

    def close(self):
        global closed
        closed += 1


def waits(mine, longest):
    local.mine = mine
    for _ in range(random.randrange(1, 4)):
        nest(random.randrange(30), random.random() * longest)
        assert local.mine == mine, "state of another greenlet"


def left():
    import greenlet

    gc.collect()
    alive = sum(1 for one in gc.get_objects() if isinstance(one, greenlet.greenlet) and not one.dead)
    return {"greenlets": alive, "running": running, "opened": opened, "closed": closed, "descriptors": len(os.listdir("/proc/self/fd"))}


def application(environ, start_response):
    global running
    path, plain = environ["PATH_INFO"], [("Content-Type", "text/plain")]
    if path in ("/", "/left"):
        body = json.dumps(left() if path == "/left" else "hello").encode()
        start_response("200 OK", plain + [("Content-Length", str(len(body)))])
        return [body]
    query = parse_qs(environ["QUERY_STRING"])
    mine, longest = query["id"][0].encode(), float(query["ms"][0]) / 1000
    running += 1
    try:
        if path == "/body":
            waits(mine, longest)
            mine += b" " + hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
        waits(mine, longest)
    finally:
        running -= 1
    if path == "/pieces":
        start_response("200 OK", plain)
        return Pieces(mine, longest)
    if path == "/write":
        write = start_response("200 OK", plain)
        for _ in range(3):
            write(mine)
            nest(3, random.random() * longest)
        return [mine]
    start_response("200 OK", plain + [("Content-Length", str(len(mine)))])
    return [mine]
