"""warm_up: the application is asked for some pages before it serves, so that what it loads with its
first request is there: once for all workers where it is preloaded, else in each of them."""

import io
import sys
from urllib.parse import unquote_to_bytes, urlsplit


def run(application, cfg, log, constants):
    """A page that fails is logged; the application serves all the same."""
    for url in cfg.resolved.get("warm_up") or ():
        try:
            status = ask(application, environ_of(url, constants))
        except Exception:
            log.exception("Warm-up of %s failed", url)
            continue
        if status is None:
            log.warning("Warm-up of %s: the application did not call start_response", url)
        elif status[:1] in "45":
            log.warning("Warm-up of %s: the application answers %s", url, status)
        else:
            log.debug("Warm-up of %s: %s", url, status)


def environ_of(url, constants):
    """What a GET of url from this machine would give, with what environ always says. url is a path or has a host of its own."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or "localhost"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return {
        **constants, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(parts.path or "/").decode("latin-1"),
        "QUERY_STRING": parts.query, "RAW_URI": target, "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": parts.hostname or "localhost", "SERVER_PORT": str(port),
        "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "0", "HTTP_HOST": host, "HTTP_USER_AGENT": "gosrv warm-up",
        "HTTP_ACCEPT": "*/*", "wsgi.url_scheme": parts.scheme or "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
    }


def ask(application, environ):
    """The status, None if there was none. The answer is read to its end and closed, as by a server."""
    begun = []

    def start_response(status, headers, exc_info=None):
        if exc_info and begun:
            raise exc_info[1].with_traceback(exc_info[2])
        begun.append(status)
        return lambda data: None

    answer = application(environ, start_response)
    try:
        for _ in answer:
            pass
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return begun[-1] if begun else None
