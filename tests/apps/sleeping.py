"""/sleep?s=0.5 says BEGIN in the log, sleeps, says END: a test waits for the line, never for the clock.

/gate waits until the file GATE (environment) exists, so that a test decides when the request ends.
"""
import os
import threading
import time
from urllib.parse import parse_qs


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/sleep", "/gate"):
        say = environ["wsgi.errors"].write  # once a line: print() writes word by word, between those of other threads
        tag = "%s %d %d" % (environ["QUERY_STRING"], os.getpid(), threading.get_ident())
        say("BEGIN %s\n" % tag)
        if path == "/sleep":
            time.sleep(float(parse_qs(environ["QUERY_STRING"])["s"][0]))
        else:
            deadline = time.monotonic() + 30
            while not os.path.exists(os.environ["GATE"]) and time.monotonic() < deadline:
                time.sleep(0.01)
        say("END %s\n" % tag)
    body = b"slept in %d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
