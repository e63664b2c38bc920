"""Answer the address family of the client's connection, from environ["gunicorn.socket"]."""


def application(environ, start_response):
    body = b"%d" % environ["gunicorn.socket"].family
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
