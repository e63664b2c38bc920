"""1 MB that is there already."""

BODY = bytes(range(256)) * 4096


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", "1048576")])
    return [BODY]
