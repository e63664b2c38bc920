"""Log by Gunicorn's loggers, and leave something in environ for the access log.

/boom raises; /metric logs a metric; /warn warns; ?TEXT is logged as it is, on gunicorn.error and on stderr in turn.
"""
import logging
import os
import sys

LOG = logging.getLogger("gunicorn.error")
LOG.info("imported by %s", __name__)


class Shown:
    def __str__(self):
        return "shown as text"


def application(environ, start_response):
    path, text = environ["PATH_INFO"], environ["QUERY_STRING"]
    environ["my.user"] = "m\xefa"
    environ["REQUEST_NUMBER"] = 42
    environ["my.object"] = Shown()
    environ["REMOTE_ADDR"] = environ.get("HTTP_X_CLIENT", environ["REMOTE_ADDR"])
    if path == "/boom":
        raise ValueError("BOOM")
    if path == "/metric":
        LOG.info("", extra={"metric": "plain.logging", "value": 1, "mtype": "gauge"})
    if path == "/warn":
        LOG.debug("careful in detail")
        LOG.warning("careful %s", "now")
    if path == "/order":
        for number in range(20):
            LOG.info("line %d", 2 * number)
            environ["wsgi.errors"].write("line %d\n" % (2 * number + 1))
    if path == "/c":
        os.write(1, b"C-STDOUT\n")
        os.write(2, b"C-STDERR\n")
        print("PY-STDOUT", flush=True)
        print("PY-STDERR", file=sys.stderr, flush=True)
    if text:
        LOG.info("%s", text)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2"), ("X-Out", "sent"), ("X-Request-Id", "answered")])
    return iter([b"o", b"k"]) if path == "/pieces" else [b"ok"]
