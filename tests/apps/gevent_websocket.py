"""wsgi.websocket, as gevent-websocket's worker class gives it: a plain application, and one of flask-sockets' kind."""


def application(environ, start_response):
    ws = environ.get("wsgi.websocket")
    if ws is None:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"hello"]
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("on purpose")
    if environ["PATH_INFO"] == "/protocol":
        ws.send(ws.version + " " + environ["HTTP_COOKIE"])
    while not ws.closed:
        message = ws.receive()
        if message is None or message == "end":
            break
        ws.send(message)
    return []
