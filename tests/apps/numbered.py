"""Answers with the number it was asked for, after a moment of work now and then: some requests are always under way."""
import time


def application(environ, start_response):
    body = environ["QUERY_STRING"].encode()
    if body.endswith(b"7"):
        time.sleep(0.005)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
