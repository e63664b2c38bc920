"""A daemon thread, a thread that must be joined, and two threads made by C: one that never sees Python, one that takes the GIL
again and again. All of them still run when the worker is told to end."""
import ctypes
import threading
import time

over = threading.Event()
libc = ctypes.CDLL(None, use_errno=True)
libc.pthread_create.argtypes = [ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]


def tick():
    while True:
        time.sleep(0.001)


def wait_for_the_end():
    over.wait()


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def from_c(argument):
    while True:
        time.sleep(0.001)


def c_thread(function):
    made = ctypes.c_ulong()
    if libc.pthread_create(ctypes.byref(made), None, ctypes.cast(function, ctypes.c_void_p), None):
        raise OSError("no C thread")


threading.Thread(target=tick, daemon=True).start()
threading.Thread(target=wait_for_the_end).start()
c_thread(libc.pause)
c_thread(from_c)
# What a thread that is not a daemon waits for has to come before threading joins it.
threading._register_atexit(over.set)


def application(environ, start_response):
    body = b"%d" % threading.active_count()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
