"""Read the request body in the way the path names and answer {length, sha256, pieces} as JSON.

/read /read?size=7 /readline /readline?size=3 /readlines /readlines?hint=9 /iter /twice /none
"""
import hashlib
import json
from urllib.parse import parse_qs


def until_empty(take):
    pieces = []
    while True:
        piece = take()
        if not piece:
            return pieces
        pieces.append(piece)


def application(environ, start_response):
    stream = environ["wsgi.input"]
    query = {key: int(values[0]) for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    size = query.get("size")
    way = environ["PATH_INFO"]
    if way == "/read":
        pieces = [stream.read()] if size is None else until_empty(lambda: stream.read(size))
    elif way == "/readline":
        pieces = until_empty(stream.readline if size is None else lambda: stream.readline(size))
    elif way == "/readlines":
        pieces = stream.readlines(query["hint"]) if "hint" in query else stream.readlines()
    elif way == "/iter":
        pieces = list(stream)
    elif way == "/twice":
        pieces = [stream.read(), stream.read(), stream.read(10), stream.readline()]
    else:
        pieces = []
    whole = b"".join(pieces)
    answer = {
        "length": len(whole),
        "sha256": hashlib.sha256(whole).hexdigest(),
        "pieces": [len(piece) for piece in pieces][:200],
        "types": sorted({type(piece).__name__ for piece in pieces}),
        "content_length": environ.get("CONTENT_LENGTH"),
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
