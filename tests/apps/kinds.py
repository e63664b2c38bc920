"""One of each kind of answer, by path; what it reads and gives is small, so that a million take minutes."""
import tempfile

FILE = tempfile.NamedTemporaryFile()
FILE.write(b"f" * 5000)
FILE.flush()


def pieces(count, broken):
    for _ in range(count):
        yield b"p" * 700
    if broken:
        raise ValueError("in the middle")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/missing":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such page"]
    if path == "/raises":
        raise ValueError("before the answer")
    headers = [("Content-Type", "text/plain"), ("X-Seen", environ.get("HTTP_COOKIE", ""))]
    if path == "/file":
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](open(FILE.name, "rb"))
    if path == "/write":
        start_response("200 OK", headers)(b"written")
        return []
    if path == "/stream" or path == "/breaks":
        start_response("200 OK", headers)
        return pieces(5, path == "/breaks")
    body = environ["wsgi.input"].read()
    start_response("200 OK", headers)
    return [b"%d bytes" % len(body)]
