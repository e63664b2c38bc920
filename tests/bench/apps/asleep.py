"""Each request sleeps for SLEEP seconds but /count, which tells how many do so now."""

import os
import time

SLEEP = float(os.environ.get("SLEEP", "30"))
asleep = [0]


def application(environ, start_response):
    if environ["PATH_INFO"] == "/count":
        body = b"%d" % asleep[0]
    else:
        asleep[0] += 1
        try:
            time.sleep(SLEEP)
        finally:
            asleep[0] -= 1
        body = b"rested"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
