"""What a thread slot is to Python: /who (identity), /callback (ctypes), /deep?KIND, /gate (waits for the file GATE), /sleep?s.

trace() is for a config file: what threading.settrace was given is called in every slot.
"""
import ctypes
import json
import os
import re
import sys
import threading
import time
from urllib.parse import parse_qs

local = threading.local()


def identity():
    local.count = getattr(local, "count", 0) + 1
    me = threading.current_thread()
    return {
        "count": local.count, "ident": threading.get_ident(), "native": threading.get_native_id(), "name": me.name, "class": type(me).__name__,
        "daemon": me.daemon, "listed": me in threading.enumerate(), "main": me is threading.main_thread(), "traced": sys.gettrace() is not None,
    }


def called_back():
    """C calls into Python on this very thread."""
    seen = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))

    def compare(left, right):
        seen.append(threading.get_ident())
        return left[0] - right[0]

    array = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    libc = ctypes.CDLL(None)
    libc.qsort(array, len(array), ctypes.sizeof(ctypes.c_int), kind(compare))
    return {"sorted": list(array), "same": set(seen) == {threading.get_ident()}}


def down(n):
    return down(n + 1)


class Nested:
    def __repr__(self):
        return repr(self)


def deep(kind):
    """Recursion to the limit, in Python and through C."""
    nested = []
    for _ in range(100_000):
        nested = [nested]
    makers = {"python": lambda: down(0), "json": lambda: json.dumps(nested), "repr": lambda: repr(Nested()),
              "re": lambda: re.compile("(" * 50_000 + ")" * 50_000), "eval": lambda: eval("(" * 200_000 + ")" * 200_000)}
    try:
        makers[kind]()
        told = "no error"
    except (RecursionError, MemoryError, SyntaxError) as error:
        told = type(error).__name__
    while nested:
        nested = nested.pop()
    return told


def wait_for_gate():
    sys.stderr.write("BEGIN\n")
    deadline = time.monotonic() + 30
    while not os.path.exists(os.environ["GATE"]) and time.monotonic() < deadline:
        time.sleep(0.005)


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    answer = None
    if path == "/who":
        answer = identity()
    elif path == "/callback":
        answer = called_back()
    elif path == "/deep":
        answer = deep(query)
    elif path == "/gate":
        wait_for_gate()
    elif path == "/sleep":
        time.sleep(float(parse_qs(query)["s"][0]))
    elif path == "/pid":
        answer = os.getpid()
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def trace(frame, event, arg):
    return None
