"""What a small dynamic page does with a browser's request: six reads of environ, five headers of its own.

What was read is the body, so that the answer shows environ's content; environ is changed too, and a server
that gives the changed one to the next request is found out.
"""


def application(environ, start_response):
    body = "\n".join((
        environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_HOST"],
        environ["HTTP_USER_AGENT"], environ["HTTP_COOKIE"], environ.setdefault("bench.mark", "fresh"),
    )).encode("latin-1")
    environ["bench.mark"] = "stale"
    start_response("200 OK", [
        ("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
        ("Vary", "Cookie, Accept-Language"), ("X-Frame-Options", "DENY"),
    ])
    return [body]
