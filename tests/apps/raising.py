"""Raise where the path says. The message of every exception is RAISED-<place>, so that a log can be searched for it."""

PLAIN = [("Content-Type", "text/plain")]


class Unfriendly(BaseException):
    """Not an Exception: what `except Exception` does not catch."""


class RaisingClose:
    def __iter__(self):
        return iter([b"whole body"])

    def close(self):
        raise RuntimeError("RAISED-close")


def before_start():
    raise ValueError("RAISED-before")


def first_piece():
    raise ValueError("RAISED-first")
    yield b""


def later_piece():
    yield b"piece one "
    raise ValueError("RAISED-later")


def application(environ, start_response):
    place = environ["PATH_INFO"]
    if place == "/before":
        before_start()
    if place == "/base":
        raise Unfriendly("RAISED-base")
    if place == "/exit":
        raise SystemExit(3)
    if place == "/exc_info":
        import sys

        try:
            before_start()
        except ValueError:
            start_response("200 OK", [("X-First", "1"), ("Content-Length", "9")])
            start_response("503 Replaced", [("X-Second", "2"), ("Content-Length", "8")], sys.exc_info())
            return [b"replaced"]
    start_response("200 OK", PLAIN)
    if place == "/after":
        raise ValueError("RAISED-after")
    if place == "/first":
        return first_piece()
    if place == "/later":
        return later_piece()
    if place == "/close":
        return RaisingClose()
    return [b"nothing raised"]
