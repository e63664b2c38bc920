"""Imports well until the file CRASH (environment) exists; from then on each new worker dies in the import."""
import os

if os.path.exists(os.environ["CRASH"]):
    os.write(2, b"CRASHING AT IMPORT %d\n" % os.getpid())
    raise RuntimeError("told to crash")


def application(environ, start_response):
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


os.write(2, b"IMPORTED BY %d\n" % os.getpid())
