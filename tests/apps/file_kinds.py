"""wsgi.file_wrapper over things that look like files: the path names the thing, the query offset and Content-Length.

FILE in the environment is a real file. /closed tells how many of the wrapped things are not closed yet.
"""
import gzip
import io
import os
import socket
import tempfile
from urllib.parse import parse_qs

opened = []


class OnlyRead:
    """The least that PEP 3333 asks for."""

    def __init__(self):
        self.left = [b"only ", b"read"]
        self.closed = False

    def read(self, size):
        return self.left.pop(0) if self.left else b""

    def close(self):
        self.closed = True


class LiesAboutFileno(OnlyRead):
    """Has a fileno, and yet its bytes are not those of the descriptor."""

    def fileno(self):
        return 0


def temporary(maker):
    made = maker()
    made.write(b"0123456789")
    made.seek(3)
    return made


def zipped():
    path = os.environ["FILE"] + ".gz"
    with gzip.open(path, "wb") as out:
        out.write(b"was compressed " * 1000)
    return gzip.open(path, "rb")


def pipe():
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    return os.fdopen(reader, "rb")


def from_socket():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"through a socket")
    theirs.close()
    found = ours.makefile("rb")
    ours.close()
    return found


def buffered():
    found = open(os.environ["FILE"], "rb")
    assert len(found.read(10)) == 10  # the descriptor itself is further on now
    return found


def unbuffered():
    found = open(os.environ["FILE"], "rb", buffering=0)
    found.seek(10)
    return found


def plain(offset):
    found = open(os.environ["FILE"], "rb")
    found.seek(offset)
    return found


def written():
    """Bytes that only Python's buffer has yet."""
    found = open(os.environ["FILE"] + ".new", "w+b")
    found.write(b"not on disk yet")
    found.seek(0)
    return found


MAKERS = {
    "memory": lambda: io.BytesIO(bytes(range(256)) * 100),
    "onlyread": OnlyRead,
    "lies": LiesAboutFileno,
    "pipe": pipe,
    "socket": from_socket,
    "gzip": zipped,
    "buffered": buffered,
    "unbuffered": unbuffered,
    "written": written,
    "tempfile": lambda: temporary(tempfile.TemporaryFile),
    "named": lambda: temporary(tempfile.NamedTemporaryFile),
    "spooled": lambda: temporary(tempfile.SpooledTemporaryFile),
    "zero": lambda: open("/dev/zero", "rb"),
    "proc": lambda: open("/proc/self/status", "rb"),
    "empty": lambda: open("/dev/null", "rb"),
}


def application(environ, start_response):
    query = {key: int(values[0]) for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    kind = environ["PATH_INFO"][1:]
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", str(query["length"])))
    status = "%d Status" % query.get("status", 200)
    if kind == "file":
        found = plain(query.get("offset", 0))
    elif kind in MAKERS:
        found = MAKERS[kind]()
    else:
        start_response("200 OK", headers)
        return [str(sum(not one.closed for one in opened)).encode()]
    opened.append(found)
    start_response(status, headers)
    wrapped = environ["wsgi.file_wrapper"](found, query.get("block", 8192))
    if "iterate" in query:
        pieces = list(wrapped)
        wrapped.close()
        return pieces
    return wrapped
