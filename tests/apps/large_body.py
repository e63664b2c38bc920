"""Reads wsgi.input in steps, X-Script: a JSON list of sizes and "line", over and over until nothing comes; answers the SHA-256 of all of
it, and whether each piece had the hash of an equal one. With "keep" first the pieces are kept: /kept tells their digests, /forget
drops them. /late reads in a generator, after its first piece."""
import hashlib
import json

KEPT = []


def digest(pieces):
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


def pieces(stream, steps):
    while True:
        for step in steps:
            piece = stream.readline() if step == "line" else stream.read(step)
            if not piece:
                return
            yield piece


def late(stream):
    yield b"begun\n"
    yield digest(pieces(stream, [65536, 1000])).encode()


def answer(environ):
    path = environ["PATH_INFO"]
    if path == "/kept":
        return [digest(one) for one in KEPT]
    if path == "/forget":
        KEPT.clear()
    steps = json.loads(environ.get("HTTP_X_SCRIPT", "[1]"))
    keeps = steps[0] == "keep"
    if not keeps:
        hashes = []
        whole = digest(note(pieces(environ["wsgi.input"], steps), hashes))
        return [whole, all(hashes)]
    KEPT.append(list(pieces(environ["wsgi.input"], steps[1:])))
    return [digest(KEPT[-1]), all(hash(one) == hash(bytes(bytearray(one))) for one in KEPT[-1])]


def note(found, hashes):
    for piece in found:
        hashes.append(hash(piece) == hash(bytes(bytearray(piece))))
        yield piece


def application(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return late(environ["wsgi.input"])
    body = json.dumps(answer(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
