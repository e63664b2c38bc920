"""A child of the application outlives its request: /child forks one, says BEGIN in the log and waits; both stay until the file
GATE (environment) is there. /pid."""
import os
import sys
import time


def wait_for_gate():
    deadline = time.monotonic() + 30
    while not os.path.exists(os.environ["GATE"]) and time.monotonic() < deadline:
        time.sleep(0.01)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/child":
        if os.fork() == 0:
            os.setsid()  # it is nobody's business when it ends
            wait_for_gate()
            os._exit(0)
        sys.stderr.write("BEGIN\n")
        wait_for_gate()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
