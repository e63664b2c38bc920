"""Gets stuck for ever where STUCK_AT says (import, or request: at /stuck) and in the way that STUCK_IN says."""
import ctypes
import os
import signal
import time


def python():
    while True:
        pass


def compute():
    sum(range(10**15))  # C code that keeps the GIL


def keep_gil():
    ctypes.PyDLL(None).pause()


def sleep():
    time.sleep(3600)


def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    time.sleep(3600)


def get_stuck():
    os.write(2, b"STUCK\n")
    globals()[os.environ["STUCK_IN"]]()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/stuck":
        get_stuck()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


if os.environ["STUCK_AT"] == "import":
    get_stuck()
