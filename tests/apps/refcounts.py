"""For a debug build of Python: /total answers sys.gettotalrefcount() after a collection; the other paths make work."""
import gc
import sys


def pieces():
    for n in range(5):
        yield b"piece %d " % n


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/total":
        gc.collect()
        body = b"%d" % sys.gettotalrefcount()
    elif path == "/raise":
        raise ValueError("RAISED-refcounts")
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return pieces()
    elif path == "/big":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 65536 for _ in range(64))
    else:
        body = b"%d" % len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
