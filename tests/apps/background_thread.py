"""A thread that ticks 100 times a second from the first request on; the answer is the count so far.

The file that TICKS (environment) names gets a byte for each tick, so that they can be counted without a request.
"""
import os
import threading
import time

state = {"ticks": 0, "thread": None}


def tick():
    told = open(os.environ.get("TICKS", os.devnull), "ab", buffering=0)
    while True:
        state["ticks"] += 1
        told.write(b".")
        time.sleep(0.01)


def application(environ, start_response):
    if state["thread"] is None:
        state["thread"] = threading.Thread(target=tick, daemon=True)
        state["thread"].start()
    body = b"%d" % state["ticks"]
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
