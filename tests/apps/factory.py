"""An application factory, called by the server with literal arguments."""


def create_app(name="default", debug=True):
    body = ("made for %s, debug=%s" % (name, debug)).encode()

    def made(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return made


def makes_nothing():
    return None
