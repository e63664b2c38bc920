"""Ten pieces of 1 KB from a generator. With ?pause it waits 50 ms before each but the first, and each begins with
the time at which it was yielded (CLOCK_MONOTONIC), so that a client on this machine knows how long it was held."""

import time

PIECE = b"x" * 1024


def pieces():
    for _ in range(10):
        yield PIECE


def paused():
    for n in range(10):
        if n:
            time.sleep(0.05)
        yield (b"%020.6f" % time.monotonic()).ljust(1024, b"x")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return paused() if environ.get("QUERY_STRING") == "pause" else pieces()
