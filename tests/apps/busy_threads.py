"""Imported, it has threads that never let the interpreter rest, of Python and of C, as monitoring agents do."""
import ctypes
import threading

libc = ctypes.CDLL(None)
libc.pthread_create.argtypes = [ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
work = {"done": 0}


def spin():
    while True:
        work["done"] += 1


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def from_c(argument):
    spin()


threading.Thread(target=spin, daemon=True).start()
if libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, ctypes.cast(from_c, ctypes.c_void_p), None):
    raise OSError("no C thread")


def application(environ, start_response):
    body = b"%d" % threading.active_count()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
