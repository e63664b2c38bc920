"""Header values with blanks around them; /evil has a line's end between the blanks."""


def application(environ, start_response):
    if environ["PATH_INFO"] == "/evil":
        start_response("200 OK", [("X-Padded", " a \r\n "), ("Content-Length", "2")])
        return [b"no"]
    if environ["PATH_INFO"] == "/hints":
        environ["wsgi.early_hints"]([("Link", "\t </a.css>; rel=preload ")])
    start_response("200 OK", [("Content-Type", " text/plain"), ("Content-Length", "\t2 "), ("X-Padded", " \ta  b\t"), ("X-Blank", " \t ")])
    return [b"ok"]
