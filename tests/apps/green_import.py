"""The worst that an import may do before the fork: a hub, a greenlet and a thread that go on, a pool for DNS; and what is there of it later."""
import json
import os
import socket
import sys
import threading
import time

if os.environ.get("PATCH"):
    from gevent import monkey

    monkey.patch_all()

local = threading.local()
ticks = {"thread": [], "greenlet": []}


def background(kind):
    while True:
        ticks[kind].append(os.getpid())
        time.sleep(0.02)


if os.environ.get("BUSY"):
    import gevent

    gevent.sleep(0.01)
    socket.gethostbyname("localhost")
    gevent.spawn(background, "greenlet")
    threading.Thread(target=background, args=("thread",), daemon=True).start()
    time.sleep(0.1)
if os.environ.get("REQUESTS"):
    import requests  # noqa: F401
made_in = os.getpid()


def context():
    """What urllib3 does for each HTTPS connection: a recursion without end where ssl was imported before it was patched."""
    from urllib3.util.ssl_ import create_urllib3_context

    return type(create_urllib3_context()).__name__


def facts(environ):
    import greenlet

    seen = getattr(local, "seen", None)
    local.seen = environ["REQUEST_METHOD"]
    current = greenlet.getcurrent()
    return {
        "seen": seen, "socket": socket.socket.__module__.split(".")[0], "sleep": time.sleep.__module__.split(".")[0],
        "greenlet": next((kind.__module__.split(".")[0] for kind in type(current).__mro__ if kind.__module__.startswith(("gevent", "eventlet"))), None),
        "linkable": hasattr(current, "link"), "main": current.parent is None,
        "multithread": environ["wsgi.multithread"], "sock": "gunicorn.sock" in environ, "made here": made_in == os.getpid(),
        "modules": sorted({"gevent", "eventlet"} & set(sys.modules)), "thread": threading.current_thread() is threading.main_thread(),
    }


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/facts":
        found = facts(environ)
    elif path == "/ticks":
        found = {kind: sum(1 for pid in seen if pid == os.getpid()) for kind, seen in ticks.items()}
    elif path == "/dns":
        found = sorted({socket.gethostbyname("localhost") for _ in range(5)})
    elif path == "/context":
        found = context()
    elif path == "/patched":
        from gevent import monkey

        found = {name: monkey.is_module_patched(name) for name in ("socket", "ssl", "threading", "time", "select", "subprocess", "os", "signal", "queue")}
    elif path == "/loop":
        import gevent

        found = type(gevent.get_hub().loop).__module__
    elif path == "/hub":
        from eventlet import hubs

        found = type(hubs.get_hub()).__module__
    else:
        found = os.getpid()
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
