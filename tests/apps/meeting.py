"""Requests that wait for one another, each kind in its way: /WAY?n=N&room=NAME is answered when N of them have come. Where one waits in the
way of another, nobody is ever answered."""
import concurrent.futures
import os
import queue
import select
import socket
import subprocess
import threading
import time
from urllib.parse import parse_qs


class Sleep:
    """A room in which requests wait for the last of `size`, which opens it."""

    def __init__(self, size, environ):
        self.size = size
        self.come = 0
        self.is_open = False

    def wait(self, environ):
        while not self.is_open:
            time.sleep(0.05)

    def open(self):
        self.is_open = True


class Event(Sleep):
    def __init__(self, *args):
        super().__init__(*args)
        self.event = threading.Event()

    def wait(self, environ):
        self.event.wait()

    def open(self):
        self.event.set()


class Condition(Sleep):
    def __init__(self, *args):
        super().__init__(*args)
        self.condition = threading.Condition()

    def wait(self, environ):
        with self.condition:
            self.condition.wait_for(lambda: self.is_open)

    def open(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()


class Lock(Sleep):
    def __init__(self, *args):
        super().__init__(*args)
        self.lock = threading.Lock()
        self.lock.acquire()

    def wait(self, environ):
        with self.lock:
            pass

    def open(self):
        self.lock.release()


class Queue(Sleep):
    def __init__(self, *args):
        super().__init__(*args)
        self.queue = queue.Queue()

    def wait(self, environ):
        self.queue.get()

    def open(self):
        for _ in range(self.size - 1):
            self.queue.put(None)


class Socket(Sleep):
    def __init__(self, *args):
        super().__init__(*args)
        self.far = []

    def wait(self, environ):
        near, far = socket.socketpair()
        self.far.append(far)
        with near:
            self.receive(near)

    def receive(self, near):
        assert near.recv(1) == b"x"

    def open(self):
        for far in self.far:
            far.sendall(b"x")
            far.close()


class Select(Socket):
    def receive(self, near):
        assert select.select([near], [], [])[0] == [near]


class Thread(Event):
    def wait(self, environ):
        thread = threading.Thread(target=self.event.wait)
        thread.start()
        thread.join()


class Executor(Event):
    def wait(self, environ):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(self.event.wait).result()


class Child(Sleep):
    """Waits for a process that ends when its input does."""

    def __init__(self, *args):
        super().__init__(*args)
        self.ends = []

    def wait(self, environ):
        here, there = os.pipe()
        self.ends.append(there)
        done = subprocess.run(["cat"], stdin=here, capture_output=True)
        os.close(here)
        assert (done.returncode, done.stdout) == (0, b"x"), done

    def open(self):
        for end in self.ends:
            os.write(end, b"x")
            os.close(end)


class Requests(Event):
    """Asks this very server for a page that is not there before the last has come."""

    def wait(self, environ):
        import requests

        answer = requests.get("http://%(HTTP_HOST)s/until?%(QUERY_STRING)s" % environ, timeout=60)
        assert answer.text == "until"


class Urllib3(Requests):
    def wait(self, environ):
        import urllib3

        with urllib3.PoolManager() as pool:
            assert pool.request("GET", "http://%(HTTP_HOST)s/until?%(QUERY_STRING)s" % environ).data == b"until"


class Urllib(Requests):
    def wait(self, environ):
        from urllib.request import urlopen

        with urlopen("http://%(HTTP_HOST)s/until?%(QUERY_STRING)s" % environ) as answer:
            assert answer.read() == b"until"


class Psycopg3(Sleep):
    """Waits for a lock of PostgreSQL's."""

    def __init__(self, *args):
        super().__init__(*args)
        self.key = id(self) % 1000000
        self.owner = self.connect()
        self.owner.cursor().execute("select pg_advisory_lock(%s)", [self.key])

    def connect(self):
        import psycopg

        return psycopg.connect(os.environ["DSN"], autocommit=True)

    def wait(self, environ):
        mine = self.connect()
        cursor = mine.cursor()
        cursor.execute("select pg_advisory_lock_shared(%s), %s", [self.key, environ["QUERY_STRING"]])
        assert cursor.fetchone()[1] == environ["QUERY_STRING"]
        mine.close()

    def open(self):
        self.owner.close()


class Psycopg2(Psycopg3):
    """By psycogreen, whose patch is a hook's."""

    def connect(self):
        import psycopg2

        connection = psycopg2.connect(os.environ["DSN"])
        connection.autocommit = True
        return connection


class Redis(Sleep):
    def __init__(self, *args):
        import redis

        super().__init__(*args)
        self.client = redis.Redis(unix_socket_path=os.environ["REDIS"], max_connections=1000)
        self.key = "room%d" % id(self)

    def wait(self, environ):
        assert self.client.blpop([self.key], timeout=60)

    def open(self):
        for _ in range(self.size - 1):
            self.client.rpush(self.key, "x")


WAYS = {kind.__name__.lower(): kind for kind in (
    Sleep, Event, Condition, Lock, Queue, Socket, Select, Thread, Executor, Child, Requests, Urllib3, Urllib, Psycopg3, Psycopg2, Redis)}
rooms = {}
building = threading.Lock()


def meet(way, query, environ):
    name = query["room"][0]
    with building:
        if name not in rooms:
            rooms[name] = WAYS[way](int(query["n"][0]), environ)
    room = rooms[name]
    room.come += 1
    if room.come == room.size:
        room.open()
    else:
        room.wait(environ)
    return b"met"


def application(environ, start_response):
    way, query = environ["PATH_INFO"][1:], parse_qs(environ["QUERY_STRING"])
    if way == "come":
        body = b"%d" % rooms[query["room"][0]].come if query["room"][0] in rooms else b"0"
    elif way == "until":
        rooms[query["room"][0]].event.wait()
        body = b"until"
    else:
        body = meet(way, query, environ) if way else b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
