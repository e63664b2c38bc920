"""Do with wsgi.input what the header X-Script says, a JSON list of [method, argument...]; answer what each step gave.

`iter` takes the given number of lines with next(). Bytes are answered as latin-1 text, errors by their type.
"""
import json


def step(stream, method, *args):
    if method == "iter":
        lines = iter(stream)
        return [line for line, _ in zip(lines, range(args[0]))]
    return getattr(stream, method)(*args)


def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list):
        return [plain(one) for one in value]
    return repr(value)


def run(stream, script):
    told = []
    for method, *args in script:
        try:
            told.append(plain(step(stream, method, *args)))
        except Exception as error:
            told.append(type(error).__name__)
    return told


def application(environ, start_response):
    told = run(environ["wsgi.input"], json.loads(environ.get("HTTP_X_SCRIPT", "[]")))
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
