"""pre_request, post_request, and the access log where its lines are Python's to write. Only who
has asked for one of them pays for this module: the application is then called through
HookedApplication."""

import _gosrv
import _thread
import io
import time
from datetime import timedelta

from . import files
from .message import Request, Response


def refused(message, cfg):
    """What access() gets about a request that never reached the application."""
    environ = {"REQUEST_METHOD": message["method"], "RAW_URI": message["target"],
               "PATH_INFO": message["path"], "QUERY_STRING": message["query"],
               "SERVER_PROTOCOL": message["protocol"], "REMOTE_ADDR": message["remote"],
               "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO()}
    for name, value in message["headers"] or ():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
    head = "".join("\r\n%s: %s" % (name, value) for name, value in message["headers"] or ()).encode("latin-1", "replace")
    request = Request(cfg, environ, head)
    response = Response(request, cfg)
    response.start("%d %s" % (message["status"], message["reason"]), [])
    response.sent = message["bytes"]
    return response, request, environ, timedelta(0)


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
        self.application, self.worker, self.log, self.cfg = application, worker, worker.log, worker.cfg
        self.records = records  # the access log
        self.pre_request = worker.cfg.hooks.get("pre_request")
        self.post_request = worker.cfg.hooks.get("post_request")
        code = getattr(self.post_request, "__code__", None)
        self.arity = min(4, code.co_argcount) if code else 2

    def __call__(self, environ, start_response):
        fd = _gosrv.connection(start_response) if "PROXY_PROTOCOL" in environ else -1
        request = Request(self.cfg, environ, _gosrv.request_head(start_response), fd)
        response = Response(request, self.cfg)
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
                self.ask(request)
                request.alter(environ)
                if request.must_close:
                    _gosrv.close_connection(start_response)
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

    def ask(self, request):
        here, asking = _thread.get_ident(), self.worker.asking
        asking.add(here)
        try:
            self.pre_request(self.worker, request)
        finally:
            asking.discard(here)

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
