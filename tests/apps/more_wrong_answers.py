"""More applications that break the rules, one callable each; see wrong_answers.py for the usual ones."""

PLAIN = [("Content-Type", "text/plain")]


class Unfriendly(BaseException):
    """Not an Exception."""


def answering(status="200 OK", headers=PLAIN, body=(b"body",)):
    def wrong(environ, start_response):
        start_response(status, headers)
        return body

    return wrong


def raising(error):
    def wrong(environ, start_response):
        raise error

    return wrong


def raising_inside(error):
    def wrong(environ, start_response):
        start_response("200 OK", PLAIN)
        raise error
        yield b""

    return wrong


class NoIterator:
    def __iter__(self):
        return 5


CASES = {
    "status_bytes": answering(status=b"200 OK"),
    "status_short": answering(status="20 OK"),
    "status_long": answering(status="2000 OK"),
    "status_letters": answering(status="2xx OK"),
    "status_negative": answering(status="-20 OK"),
    "status_empty": answering(status=""),
    "status_tab": answering(status="200\tOK"),
    "status_nul": answering(status="200 O\0K"),
    "status_not_latin": answering(status="200 \u20ac"),
    "status_000": answering(status="000 Nothing"),
    "header_triple": answering(headers=[("X-A", "b", "c")]),
    "header_text": answering(headers=["X-A: b"]),
    "header_none": answering(headers=[None]),
    "header_name_empty": answering(headers=[("", "x")]),
    "header_name_colon": answering(headers=[("X-A:", "x")]),
    "header_name_newline": answering(headers=[("X-A\r\nX-Evil", "x")]),
    "header_name_latin": answering(headers=[("X-\xe9", "x")]),
    "header_value_nul": answering(headers=[("X-A", "a\0b")]),
    "header_value_cr": answering(headers=[("X-A", "a\rX-Evil: 1")]),
    "header_value_lf": answering(headers=[("X-A", "a\nX-Evil: 1")]),
    "header_value_none": answering(headers=[("X-A", None)]),
    "header_value_surrogate": answering(headers=[("X-A", "\udc80")]),
    "length_text": answering(headers=[("Content-Length", "four")]),
    "length_negative": answering(headers=[("Content-Length", "-1")]),
    "length_huge": answering(headers=[("Content-Length", "99999999999999999999")]),
    "lengths_differ": answering(headers=[("Content-Length", "4"), ("Content-Length", "5")]),
    "length_plus": answering(headers=[("Content-Length", "+4")]),
    "body_int": answering(body=5),
    "body_dict": answering(body={"a": 1}),
    "body_none_item": answering(body=[None]),
    "body_list_item": answering(body=[[b"x"]]),
    "body_no_iterator": answering(body=NoIterator()),
    "raise_base": raising(Unfriendly("RAISED")),
    "raise_exit": raising(SystemExit("RAISED")),
    "raise_exit_none": raising(SystemExit()),
    "raise_interrupt": raising(KeyboardInterrupt("RAISED")),
    "raise_generator_exit": raising(GeneratorExit("RAISED")),
    "raise_stop": raising(StopIteration("RAISED")),
    "raise_recursion": raising(RecursionError("RAISED")),
    "raise_memory": raising(MemoryError("RAISED")),
    "inside_base": raising_inside(Unfriendly("RAISED")),
    "inside_exit": raising_inside(SystemExit("RAISED")),
    "inside_interrupt": raising_inside(KeyboardInterrupt("RAISED")),
}


def application(environ, start_response):
    case = CASES.get(environ["PATH_INFO"][1:])
    if case is None:
        start_response("200 OK", PLAIN)
        return [b"ready"]
    return case(environ, start_response)
