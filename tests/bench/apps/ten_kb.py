"""10 KB that are there already."""

BODY = bytes(range(256)) * 40


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", "10240")])
    return [BODY]
