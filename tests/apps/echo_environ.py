"""Answer with the environ as JSON: every key with the type and the value of what it holds.

Objects that differ from process to process (sockets, streams) are shown by type, and by the methods an
application may call on them.
"""
import json

STREAM_METHODS = ("read", "readline", "readlines", "__iter__", "write", "writelines", "flush", "close", "fileno")


def describe(value):
    if isinstance(value, (str, int, float, bool, tuple, list, type(None))):
        return {"type": type(value).__name__, "value": value}
    return {
        "type": type(value).__name__,
        "callable": callable(value),
        "methods": [m for m in STREAM_METHODS if hasattr(value, m)],
    }


def application(environ, start_response):
    facts = {key: describe(value) for key, value in environ.items()}
    facts["."] = {"type": type(environ).__name__, "keys": [type(k).__name__ for k in environ].count("str")}
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
