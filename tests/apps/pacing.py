"""/large is an answer of 20 MB in pieces of 64 KB; /produced tells how many bytes of such answers were made so far.

/ is small. /made?mb=64 is a generator of so many megabytes.
"""
from urllib.parse import parse_qs

PIECE = b"p" * 65536
made = {"bytes": 0}


def pieces(count):
    for _ in range(count):
        made["bytes"] += len(PIECE)
        yield PIECE


def application(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/large":
        return pieces(320)
    if path == "/made":
        return pieces(16 * int(parse_qs(environ["QUERY_STRING"])["mb"][0]))
    if path == "/produced":
        return [b"%d" % made["bytes"]]
    return [b"small"]
