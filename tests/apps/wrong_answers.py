"""Applications that break the rules of PEP 3333, one callable each: the server must answer 500, never nonsense."""

PLAIN = [("Content-Type", "text/plain")]


def no_start_response(environ, start_response):
    return [b"never started"]


def returns_none(environ, start_response):
    start_response("200 OK", PLAIN)


def str_item(environ, start_response):
    start_response("200 OK", PLAIN)
    return ["a str"]


def str_body(environ, start_response):
    start_response("200 OK", PLAIN)
    return "a str"


def int_item(environ, start_response):
    start_response("200 OK", PLAIN)
    return [1]


def status_without_number(environ, start_response):
    start_response("OK", PLAIN)
    return [b"body"]


def status_not_str(environ, start_response):
    start_response(200, PLAIN)
    return [b"body"]


def status_with_newline(environ, start_response):
    start_response("200 OK\r\nX-Evil: 1", PLAIN)
    return [b"body"]


def header_with_newline(environ, start_response):
    start_response("200 OK", [("X-Bad", "a\r\nX-Evil: 1")])
    return [b"body"]


def header_name_with_space(environ, start_response):
    start_response("200 OK", [("X Bad", "a")])
    return [b"body"]


def header_not_latin1(environ, start_response):
    start_response("200 OK", [("X-Bad", "\u20ac")])
    return [b"body"]


def header_value_int(environ, start_response):
    start_response("200 OK", [("Content-Length", 4)])
    return [b"body"]


def header_bytes(environ, start_response):
    start_response("200 OK", [(b"X-Bad", b"a")])
    return [b"body"]


def headers_not_list(environ, start_response):
    start_response("200 OK", None)
    return [b"body"]


def start_twice(environ, start_response):
    start_response("200 OK", PLAIN)
    start_response("201 Again", PLAIN)
    return [b"body"]


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return [b"four"]


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"four and more"]


def hop_by_hop(environ, start_response):
    start_response("200 OK", [("Connection", "keep-alive"), ("Keep-Alive", "timeout=99"), ("Transfer-Encoding", "gzip"),
                              ("Content-Length", "4"), ("X-Kept", "yes"), ("Server", "mine")])
    return [b"body"]


def application(environ, start_response):
    """Dispatch on the path, so that one server shows all of them."""
    wrong = globals().get(environ["PATH_INFO"][1:])
    if wrong is None or wrong is application:
        start_response("200 OK", PLAIN)
        return [b"ready"]
    return wrong(environ, start_response)
