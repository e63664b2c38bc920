"""103 through wsgi.early_hints; /evil tries to split the answer with one."""


def application(environ, start_response):
    if environ["PATH_INFO"] == "/evil":
        try:
            environ["wsgi.early_hints"]([("Link", "x\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK")])
        except Exception:
            pass  # a refusal by exception is as good as one in the log
    else:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("Link", "</b.js>; rel=preload")])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hinted"]
