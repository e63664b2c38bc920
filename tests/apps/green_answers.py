"""Answers that are given bit by bit, and bodies that are read so, while others are served: streams, events, long polls, uploads."""
import hashlib
import itertools
import json
import queue
import threading
import time
from urllib.parse import parse_qs

PLAIN = [("Content-Type", "text/plain")]
subscribers = []
closed, left = [], []
gates = {}


class Endless:
    """Pieces without end, each after `pause` seconds; says when it is closed."""

    def __init__(self, size, pause):
        self.size, self.pause = size, pause
        self.given = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.pause:
            time.sleep(self.pause)
        self.given += 1
        return b"x" * self.size

    def close(self):
        closed.append(self.given)


def gate(name):
    return gates.setdefault(name, threading.Event())


def gated(name, count):
    """A piece at once, the others after the gate has been opened for each."""
    try:
        for n in range(count):
            if n:
                gate("%s-%d" % (name, n)).wait()
            yield b"piece %d\n" % n
    finally:
        closed.append(name)


def events():
    """Server-sent events, until somebody publishes an empty one."""
    mine = queue.Queue()
    subscribers.append(mine)
    try:
        yield b": welcome\n\n"
        for number in itertools.count(1):
            text = mine.get()
            if not text:
                return
            yield b"id: %d\ndata: %s\n\n" % (number, text.encode())
    finally:
        subscribers.remove(mine)
        closed.append("events")


def poll():
    mine = queue.Queue()
    subscribers.append(mine)
    try:
        return mine.get()
    finally:
        subscribers.remove(mine)


def digest(environ):
    """The body as it comes, and whether the reader's end was an error."""
    total, sha = 0, hashlib.sha256()
    try:
        while True:
            data = environ["wsgi.input"].read(65536)
            if not data:
                break
            total += len(data)
            sha.update(data)
    except Exception as error:
        left.append(type(error).__name__)
        raise
    return "%d %s" % (total, sha.hexdigest())


def written(start_response, size):
    write = start_response("200 OK", PLAIN)
    for letter in b"abc":
        write(bytes([letter]) * size)
    closed.append("written")
    return [b"end"]


def application(environ, start_response):
    path, query = environ["PATH_INFO"], {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    if path == "/write":
        return written(start_response, int(query["size"]))
    if path == "/digest":
        text = digest(environ)
    elif path == "/poll":
        text = poll()
    elif path == "/publish":
        text = str(len(subscribers))
        for one in list(subscribers):
            one.put(query.get("text", ""))
    elif path == "/open":
        text = ""
        gate(query["gate"]).set()
    elif path == "/state":
        text = json.dumps({"closed": closed, "left": left, "subscribers": len(subscribers)})
    else:
        text = "hello"
    body = {"/endless": lambda: Endless(int(query["size"]), float(query["pause"])), "/gated": lambda: gated(query["gate"], int(query["count"])),
            "/events": events}.get(path, lambda: [text.encode()])()
    start_response("200 OK", PLAIN if isinstance(body, list) else [("Content-Type", "text/event-stream" if path == "/events" else "text/plain")])
    return body
