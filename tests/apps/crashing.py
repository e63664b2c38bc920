"""Ways for a worker to die in a request, and one dump that must not kill it.

/segfault /os_exit?N /sys_exit?N /sigkill /memory /abort /free /traceback (faulthandler.dump_traceback into the log)
"""
import ctypes
import faulthandler
import os
import signal
import sys


def fall_over():
    ctypes.string_at(0)


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/segfault":
        fall_over()
    if path == "/os_exit":
        os._exit(int(query))
    if path == "/sys_exit":
        sys.exit(int(query))
    if path == "/sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/memory":  # a gigabyte, if it is let
        taken = [b"x" * (1 << 20) for _ in range(1 << 10)]
        taken.clear()
    if path == "/abort":
        ctypes.CDLL(None).abort()
    if path == "/free":  # glibc says what is wrong, and aborts
        ctypes.CDLL(None).free(ctypes.c_void_p(ctypes.addressof(ctypes.create_string_buffer(256)) + 24))
    if path == "/traceback":
        faulthandler.dump_traceback(2)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def with_faulthandler(environ, start_response):
    faulthandler.enable()
    return application(environ, start_response)
