"""Gets stuck in every way there is, as the path says; and comes back around a moment, for requests at the limit."""
import ctypes
import random
import re
import threading
import time


def waits_in_the_background():
    threading.Event().wait()


threading.Thread(target=waits_in_the_background, daemon=True).start()


def sleep():
    time.sleep(600)


def loop():
    while True:
        pass


def regex():
    re.match(r"(a+)+$", "a" * 64 + "b")


def gil():
    ctypes.PyDLL(None).sleep(600)  # unlike CDLL it keeps the GIL


def application(environ, start_response):
    path, _, query = environ["PATH_INFO"], None, environ["QUERY_STRING"]
    if path == "/around":
        time.sleep(float(query) + random.uniform(-0.001, 0.001))
    elif path == "/begun":
        start_response("200 OK", [("Content-Length", "6")])
        return begun()
    elif path != "/":
        globals()[path[1:]]()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


def begun():
    yield b"abc"
    sleep()
    yield b"abc"
