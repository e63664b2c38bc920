"""What may be done with start_response and the write() it returns; the path names the case."""
import sys

PLAIN = [("Content-Type", "text/plain")]


def replaced(environ, start_response):
    """exc_info before anything is sent: the new head counts."""
    start_response("200 OK", PLAIN + [("X-First", "1"), ("Content-Length", "100")])
    try:
        raise ValueError("RAISED")
    except ValueError:
        start_response("503 Sorry", PLAIN + [("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def reraised(environ, start_response):
    """exc_info after the head is sent: it is raised again."""
    start_response("200 OK", PLAIN)
    yield b"piece"
    try:
        raise ValueError("RAISED after the head")
    except ValueError:
        start_response("503 Sorry", PLAIN, sys.exc_info())
    yield b"never"


def reraised_by_write(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"piece")
    try:
        raise ValueError("RAISED after write")
    except ValueError:
        start_response("503 Sorry", PLAIN, sys.exc_info())
    return [b"never"]


def none_exc_info(environ, start_response):
    """exc_info may be given as None."""
    start_response("200 OK", PLAIN, None)
    return [b"fine"]


def late_change(environ, start_response):
    """The list belongs to the server once it is given: a change comes too late."""
    headers = [("Content-Type", "text/plain"), ("X-Kept", "yes")]
    start_response("200 OK", headers)
    headers.append(("X-Late", "1"))
    return [b"fine"]


def in_generator(environ, start_response):
    """A generator calls it when its first piece is asked for."""
    start_response("201 Late", PLAIN)
    yield b""
    yield b"late"


def only_write(environ, start_response):
    write = start_response("200 OK", PLAIN)
    assert write(b"one ") is None
    write(b"")
    write(b"two")
    return []


def write_and_iterate(environ, start_response):
    write = start_response("200 OK", PLAIN + [("Content-Length", "11")])
    write(b"written, ")
    return iter([b"it", b"erated"])


def write_text(environ, start_response):
    write = start_response("200 OK", PLAIN)
    try:
        write("text")
    except TypeError:
        return [b"TypeError"]
    return [b"no error"]


def keywords(environ, start_response):
    """PEP 3333 wants positional arguments; what else happens must be a clean refusal or an answer."""
    start_response(status="200 OK", response_headers=PLAIN)
    return [b"fine"]


def too_few(environ, start_response):
    try:
        start_response("200 OK")
    except TypeError:
        start_response("200 OK", PLAIN)
        return [b"TypeError"]
    return [b"no error"]


kept = []


def keeps(environ, start_response):
    """start_response and write() are kept for longer than the request."""
    kept.append((start_response, start_response("200 OK", PLAIN)))
    return [b"kept"]


def uses_kept(environ, start_response):
    start_response("200 OK", PLAIN)
    told = []
    for old_start, old_write in kept:
        for call in (lambda: old_start("200 OK", [("X-Stolen", "1")]), lambda: old_write(b"stolen")):
            try:
                call()
                told.append("no error")
            except Exception as error:
                told.append(type(error).__name__)
    return [",".join(told).encode()]


def subclass(environ, start_response):
    """bytes, str, list and tuple may be of a subclass: what counts is what they are."""

    class Text(str):
        pass

    class Bytes(bytes):
        pass

    class Pairs(list):
        pass

    start_response(Text("200 OK"), Pairs([(Text("Content-Type"), Text("text/plain"))]))
    return [Bytes(b"fine")]


def application(environ, start_response):
    case = globals().get(environ["PATH_INFO"][1:])
    if not callable(case) or case is application:
        start_response("200 OK", PLAIN)
        return [b"ready"]
    return case(environ, start_response)
