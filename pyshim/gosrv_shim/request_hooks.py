"""pre_request, post_request, and the access log where its lines are Python's to write. Only who
has asked for one of them pays for this module: the application is then called through
HookedApplication."""

import io
import time
from datetime import timedelta

from . import files


class Request:
    """What these hooks read of Gunicorn's request object, taken from environ."""

    def __init__(self, environ):
        self.method = environ["REQUEST_METHOD"]
        self.uri = environ["RAW_URI"]
        self.path = self.uri.partition("?")[0].partition("#")[0]
        self.query = environ["QUERY_STRING"]
        self.fragment = self.uri.partition("#")[2]
        self.version = tuple(int(n) for n in environ["SERVER_PROTOCOL"][5:].split(".") if n.isdigit())
        self.scheme = environ["wsgi.url_scheme"]
        self.body = environ["wsgi.input"]
        self.remote_addr = (environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", ""))
        self.trailers = []
        self._environ = environ

    @property
    def headers(self):
        """[(NAME, value)] in upper case with dashes, as Gunicorn's parser gives them."""
        found = []
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                found.append((key[5:].replace("_", "-"), value))
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                found.append((key.replace("_", "-"), value))
        return found


class Response:
    """What these hooks read of Gunicorn's response object."""

    def __init__(self):
        self.status = None
        self.status_code = None
        self.headers = []
        self.headers_sent = False
        self.sent = 0
        self.response_length = None

    def fail(self):
        """The application has raised: the server answers for it, if nothing is said yet."""
        if not self.headers_sent:
            self.start("500 Internal Server Error", [])

    def start(self, status, headers):
        self.status, self.headers = status, list(headers)
        try:
            self.status_code = int(status.split(None, 1)[0])
        except (ValueError, IndexError):
            self.status_code = None
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


def refused(message):
    """What access() gets about a request that never reached the application."""
    environ = {"REQUEST_METHOD": message["method"], "RAW_URI": message["target"],
               "PATH_INFO": message["path"], "QUERY_STRING": message["query"],
               "SERVER_PROTOCOL": message["protocol"], "REMOTE_ADDR": message["remote"],
               "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO()}
    for name, value in message["headers"] or ():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
    response = Response()
    response.start("%d %s" % (message["status"], message["reason"]), [])
    response.sent = message["bytes"]
    return response, Request(environ), environ, timedelta(0)


class HookedResult:
    """The application's iterable, counted: its line in the access log before its close(), and
    post_request after it."""

    def __init__(self, result, response, record, finish):
        self.result, self.response, self.record, self.finish = result, response, record, finish

    def __iter__(self):
        try:
            for piece in self.result:
                self.response.headers_sent = True
                self.response.sent += len(piece)
                yield piece
        except Exception:
            self.response.fail()
            raise

    def close(self):
        self.record()
        try:
            if hasattr(self.result, "close"):
                self.result.close()
        finally:
            self.finish()


class HookedApplication:
    def __init__(self, application, worker, records):
        self.application, self.worker, self.log = application, worker, worker.log
        self.records = records  # the access log
        self.pre_request = worker.cfg.hooks.get("pre_request")
        self.post_request = worker.cfg.hooks.get("post_request")
        code = getattr(self.post_request, "__code__", None)
        self.arity = min(4, code.co_argcount) if code else 2

    def __call__(self, environ, start_response):
        request, response = Request(environ), Response()
        started = time.monotonic()

        def record():
            if self.records and response.status is not None:
                self.log.access(response, request, environ, timedelta(seconds=time.monotonic() - started))

        def finish():
            if self.post_request is None:
                return
            try:
                self.post_request(*(self.worker, request, environ, response)[: self.arity])
            except Exception:
                self.log.exception("Exception in post_request hook")

        def start(status, headers, exc_info=None):
            response.start(status, headers)
            return start_response(status, headers, exc_info)

        try:
            if self.pre_request is not None:
                self.pre_request(self.worker, request)
            result = self.application(environ, start)
        except StopIteration:  # all is said, by gunicorn.socket: Gunicorn logs no line, either
            finish()
            raise
        except BaseException:
            response.fail()
            record()
            finish()
            raise
        if type(result) is files.FileWrapper:
            return self.hook_file(result, response, record, finish)
        return HookedResult(result, response, record, finish)

    def hook_file(self, wrapper, response, record, finish):
        """A file_wrapper stays one, so that it can leave by sendfile."""
        close = getattr(wrapper, "close", None)
        if self.records:
            found = self.worker.sendfile_range(wrapper)
            response.sent = response.response_length or (found[2] if found else 0)

        def close_and_finish():
            response.headers_sent = True
            record()
            try:
                if close is not None:
                    close()
            finally:
                finish()

        wrapper.close = close_and_finish
        return wrapper
