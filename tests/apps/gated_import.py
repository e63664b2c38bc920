"""Its import gets stuck for good if the file that GATE names is there."""
import os
import time


def wait_at_the_gate():
    if os.path.exists(os.environ["GATE"]):
        time.sleep(600)


wait_at_the_gate()


def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
