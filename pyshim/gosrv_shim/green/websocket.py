"""environ["wsgi.websocket"], for gevent-websocket's worker class: that package's own handler, over the connection that
gunicorn.socket gives."""

from types import SimpleNamespace

from geventwebsocket.handler import WebSocketHandler

SERVER = SimpleNamespace(clients={}, application=None)


class Handler(WebSocketHandler):
    """What of gevent.pywsgi's handler the package's handler looks at."""

    def __init__(self, environ, application, start_response):
        self.environ, self.application, self.answer = environ, application, start_response
        self.server, self.request_version = SERVER, environ["SERVER_PROTOCOL"]
        self.client_address = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
        self.socket = environ["gunicorn.socket"]
        self.refused = False

    @property
    def rfile(self):
        return self.socket.makefile("rb", -1)

    def start_response(self, status, headers, exc_info=None):
        if status.startswith("101"):
            lines = ["HTTP/1.1 " + status] + ["%s: %s" % pair for pair in headers]
            self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            return None
        self.refused = True
        return self.answer(status, headers, exc_info)


def serving(application):
    def with_websockets(environ, start_response):
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            return application(environ, start_response)
        handler = Handler(environ, application, start_response)
        refusal = handler.upgrade_websocket()
        if hasattr(handler, "websocket"):
            handler.run_websocket()
            raise StopIteration  # the client is dealt with
        if handler.refused:
            return [line.encode() for line in refusal or ()]
        return application(environ, start_response)

    return with_websockets
