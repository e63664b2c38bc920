"""Read a request body in the way the path names, for servers that give it as it comes; what happens is logged as it happens.

/first: 6 bytes, then the rest. /all: to the end, in pieces. /echo: a generator that yields what it reads. /ignore: nothing.
/catch: as /all, answering 422 when reading fails. /thread: as /all, in a thread of the application. /left: a thread reads on
after the answer. /fork: the child reads. Answers are JSON.
"""
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

PIECE = 65536


def say(environ, *words):
    environ["wsgi.errors"].write(" ".join(str(word) for word in words) + "\n")
    environ["wsgi.errors"].flush()


def pieces(environ):
    while True:
        piece = environ["wsgi.input"].read(PIECE)
        if not piece:
            return
        yield piece


def digest(environ):
    size, sha = 0, hashlib.sha256()
    for piece in pieces(environ):
        size += len(piece)
        sha.update(piece)
    return {"size": size, "sha256": sha.hexdigest()}


def told(error):
    return "%s %s" % (type(error).__name__, error)


def in_thread(environ):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(digest, environ).result()


def leave_reading(environ):
    ready = threading.Event()

    def read():
        first = environ["wsgi.input"].read(3)
        ready.set()
        try:
            say(environ, "LEFT read", first + environ["wsgi.input"].read())
        except OSError as error:
            say(environ, "LEFT", told(error))

    threading.Thread(target=read).start()
    ready.wait()
    return {"reading": True}


def in_child(environ):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = "read %r" % environ["wsgi.input"].read(1)
        except BaseException as error:
            text = told(error)
        os.write(w, text.encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return {"child": text, "body": environ["wsgi.input"].read().decode()}


def first(environ):
    begin = environ["wsgi.input"].read(6).decode()
    say(environ, "FIRST", begin)
    return {"body": begin + environ["wsgi.input"].read().decode()}


def facts(environ):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"pid": os.getpid(), "peak": int(status["VmHWM"].split()[0])}


WAYS = {"/all": digest, "/first": first, "/thread": in_thread, "/left": leave_reading, "/fork": in_child, "/facts": facts, "/catch": digest}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    status = "200 OK"
    say(environ, "BEGIN", path)
    if path == "/echo":
        start_response(status, [("Content-Type", "application/octet-stream")])
        return pieces(environ)
    try:
        answer = WAYS.get(path, lambda environ: {"path": path})(environ)
    except OSError as error:
        say(environ, "BROKEN", told(error))
        if path != "/catch":
            raise
        status, answer = "422 Unprocessable", {"error": told(error)}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
