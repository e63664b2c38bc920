"""What the module threading is for the application, and a wait that must not hold up other requests."""
import os
import threading
import time

if os.environ.get("PATCH") == "application":
    from gevent import monkey

    monkey.patch_all()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        time.sleep(0.3)
    local = threading.local()
    local.body = b"%d" % threading.get_native_id()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(local.body)))])
    return [local.body]
