"""Read the whole body and answer what was read as JSON: method, target, path, query, version, headers, body.

/seen answers the targets of all requests so far: what a hostile connection smuggled in would be among them.
"""
import json

seen = []


def application(environ, start_response):
    answer = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "version": environ["SERVER_PROTOCOL"],
        "headers": {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))},
        "body": environ["wsgi.input"].read(-1).decode("latin-1"),
        "scheme": environ["wsgi.url_scheme"],
        "script": environ["SCRIPT_NAME"],
        "peer": [environ["REMOTE_ADDR"], environ.get("REMOTE_PORT")],
        "server": [environ["SERVER_NAME"], environ["SERVER_PORT"]],
    }
    if environ["PATH_INFO"] == "/seen":
        answer = seen
    else:
        seen.append(environ["RAW_URI"])
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
