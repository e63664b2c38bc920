"""Reads the body in blocks and says how long it was; with X-Digest in the request also its SHA-256."""

import hashlib


def application(environ, start_response):
    stream, left, digest = environ["wsgi.input"], int(environ["CONTENT_LENGTH"]), None
    if "HTTP_X_DIGEST" in environ:
        digest = hashlib.sha256()
    total = 0
    while left > 0:
        block = stream.read(min(left, 65536))
        if not block:
            break
        total += len(block)
        left -= len(block)
        if digest:
            digest.update(block)
    body = b"%d" % total
    if digest:
        body += b" " + digest.hexdigest().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
