"""Shows its environ as JSON and then does to it what applications may: the dictionary is theirs."""

import json

kept = []


def application(environ, start_response):
    shown = json.dumps({k: v for k, v in environ.items() if isinstance(v, (str, bool))}).encode()
    objects = json.dumps([id(environ), len(kept)])
    environ["HTTP_X_ADDED"] = "by the application"
    environ["PATH_INFO"] = "changed"
    environ.pop("HTTP_HOST", None)
    environ["wsgi.input"] = None
    if environ.get("QUERY_STRING") == "keep":
        kept.append((environ, start_response))
    if environ.get("QUERY_STRING") == "clear":
        environ.clear()
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Objects", objects)])
    return [shown]
