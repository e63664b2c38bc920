"""A threading.local counter: it must rise from request to request of one thread, as a database connection lives there."""
import json
import threading
import time

local = threading.local()


def application(environ, start_response):
    local.count = getattr(local, "count", 0) + 1
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    me = threading.current_thread()
    body = json.dumps(
        {
            "count": local.count,
            "ident": threading.get_ident(),
            "native": threading.get_native_id(),
            "name": me.name,
            "class": type(me).__name__,
            "listed": me in threading.enumerate(),
        }
    ).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def with_type(environ, start_response):
    """The same with the Content-Type that PEP 3333's validator insists on."""
    return application(environ, lambda status, headers: start_response(status, headers + [("Content-Type", "application/json")]))
