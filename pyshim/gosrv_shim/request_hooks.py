"""pre_request and post_request. Only a config that has one of them pays for this module:
the application is then called through HookedApplication."""

from . import worker as worker_module


class Request:
    """What these hooks read of Gunicorn's request object, taken from environ."""

    def __init__(self, environ):
        self.method = environ["REQUEST_METHOD"]
        self.uri = environ["RAW_URI"]
        self.path = self.uri.partition("?")[0].partition("#")[0]
        self.query = environ["QUERY_STRING"]
        self.fragment = self.uri.partition("#")[2]
        self.version = tuple(int(n) for n in environ["SERVER_PROTOCOL"][5:].split("."))
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

    def start(self, status, headers):
        self.status, self.headers = status, list(headers)
        try:
            self.status_code = int(status.split(None, 1)[0])
        except (ValueError, IndexError):
            self.status_code = None
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


class HookedResult:
    """The application's iterable, counted, with post_request after its close()."""

    def __init__(self, result, response, finish):
        self.result, self.response, self.finish = result, response, finish

    def __iter__(self):
        for piece in self.result:
            self.response.headers_sent = True
            self.response.sent += len(piece)
            yield piece

    def close(self):
        try:
            if hasattr(self.result, "close"):
                self.result.close()
        finally:
            self.finish()


class HookedApplication:
    def __init__(self, application, worker, log):
        self.application, self.worker, self.log = application, worker, log
        self.pre_request = worker.cfg.hooks.get("pre_request")
        self.post_request = worker.cfg.hooks.get("post_request")
        code = getattr(self.post_request, "__code__", None)
        self.arity = min(4, code.co_argcount) if code else 2

    def __call__(self, environ, start_response):
        request, response = Request(environ), Response()

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
        except BaseException:
            finish()
            raise
        if type(result) is worker_module.FileWrapper:
            return self.hook_file(result, response, finish)
        return HookedResult(result, response, finish)

    @staticmethod
    def hook_file(wrapper, response, finish):
        """A file_wrapper stays one, so that it can leave by sendfile."""
        close = getattr(wrapper, "close", None)

        def close_and_finish():
            response.headers_sent = True
            try:
                if close is not None:
                    close()
            finally:
                finish()

        wrapper.close = close_and_finish
        return wrapper
