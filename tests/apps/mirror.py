"""Give the header X-Mirror back, in the body as JSON and as a header; /reason has a reason phrase in latin-1."""
import json


def application(environ, start_response):
    value = environ.get("HTTP_X_MIRROR", "")
    status = "299 Pas si s\xfbr, \xa7 1" if environ["PATH_INFO"] == "/reason" else "200 OK"
    start_response(status, [("Content-Type", "application/json"), ("X-Mirror", value)])
    return [json.dumps(value).encode()]
