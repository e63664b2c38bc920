"""Requests in greenlets that are late, and what becomes of them: each writes to the log what was thrown into it."""
import ctypes
import os
import time

PLAIN = [("Content-Type", "text/plain")]
running = 0


def say(text):
    os.write(2, ("\n%s\n" % text).encode())


def late_here():
    time.sleep(600)


def late():
    """Waits for ever; what ends it is seen here and goes on its way."""
    try:
        late_here()
    except BaseException as error:
        say("THROWN %s" % type(error).__name__)
        raise
    finally:
        say("FINALLY")


def stubborn():
    """Swallows what is thrown into it, and gives up at the third time."""
    for n in (1, 2, 3):
        try:
            late_here()
        except BaseException as error:
            say("SWALLOWED %d %s" % (n, type(error).__name__))


def begun():
    yield b"abc"
    late()


def loop():
    while True:
        pass


def blocked():
    """As a driver does that knows nothing of greenlets: waits without the GIL, and the hub with it."""
    ctypes.CDLL(None).sleep(600)


def loop_shortly():
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass


def cleaning():
    """Waits cooperatively once more when it is ended."""
    try:
        time.sleep(600)
    finally:
        time.sleep(0.05)
        say("CLEANED")


def application(environ, start_response):
    global running
    running += 1
    try:
        path = environ["PATH_INFO"][1:]
        if path == "begun":
            start_response("200 OK", PLAIN)
            return begun()
        if path == "wait":
            time.sleep(float(environ["QUERY_STRING"]))
        elif path == "running":
            body = str(running).encode()
            start_response("200 OK", PLAIN + [("Content-Length", str(len(body)))])
            return [body]
        elif path:
            {"late": late, "stubborn": stubborn, "loop": loop, "blocked": blocked, "loop_shortly": loop_shortly, "cleaning": cleaning}[path]()
        start_response("200 OK", PLAIN + [("Content-Length", "5")])
        return [b"hello"]
    finally:
        running -= 1
