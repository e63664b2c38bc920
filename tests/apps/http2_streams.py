"""What an answer of an HTTP/2 stream may be: large, in pieces, slow, early, with trailers, broken."""
import json
import threading
import time

calls = []
inside = [0, 0]  # now, at most
lock = threading.Lock()


def shown(environ):
    return {key: value if isinstance(value, (str, int, bool)) else type(value).__name__ for key, value in environ.items()}


def pieces(count):
    for n in range(count):
        yield b"piece %d;" % n
        time.sleep(0.05)


def trailing(environ, last):
    for name in ("a", "b"):
        yield name.encode()
    environ["gunicorn.http2.send_trailers"](last)


def refused(environ, fields):
    try:
        environ["gunicorn.http2.send_trailers"](fields)
    except ValueError as wrong:
        return str(wrong)
    return "taken"


def slept(seconds):
    with lock:
        inside[0] += 1
        inside[1] = max(inside)
    time.sleep(seconds)
    with lock:
        inside[0] -= 1
    return b"slept"


def answer(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/environ":
        return json.dumps(shown(environ)).encode()
    if path == "/calls":
        return json.dumps({"calls": calls, "most": inside[1]}).encode()
    if path == "/large":
        return b"x" * int(query)
    if path == "/sleep":
        return slept(float(query))
    if path == "/length":
        return b"%d" % len(environ["wsgi.input"].read())
    if path == "/hints":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    if path == "/fail":
        raise RuntimeError("as told")
    if path == "/wrong-trailers":
        return json.dumps([refused(environ, fields) for fields in ([(":status", "200")], [("connection", "x")], [("a\r\nb", "c")])]).encode()
    return b"Hello, World!"


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path != "/calls":
        calls.append(path)
    plain = [("Content-Type", "text/plain")]
    if path == "/pieces":
        start_response("200 OK", plain)
        return pieces(int(query))
    if path == "/trailers":
        start_response("200 OK", plain)
        return trailing(environ, [("X-Sum", "abc"), ("grpc-status", "0")])
    if path == "/short":
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]
    if path == "/broken":
        start_response("200 OK", plain)
        return (piece if piece else 1 / 0 for piece in (b"begun", b""))
    if path == "/write":
        write = start_response("200 OK", plain)
        for _ in range(int(query)):
            write(b"w" * 50000)
        return [b"end"]
    if path == "/echo":
        start_response("200 OK", plain)
        return iter(lambda: environ["wsgi.input"].read(100), b"")
    if path == "/socket":
        sock = environ["gunicorn.socket"]
        try:
            sock.recv(10)
            body = b"read"
        except OSError as wrong:
            body = str(wrong).encode()
        start_response("200 OK", plain)
        return [body]
    body = answer(environ, start_response)
    start_response("200 OK", plain + [("Content-Length", str(len(body)))])
    return [body]
