"""Answer with the status the path names: /204, /304?etag=x, /200. Bodies are given even where HTTP forbids them."""

REASONS = {"200": "OK", "204": "No Content", "304": "Not Modified", "404": "Not Found", "299": ""}


def application(environ, start_response):
    code = environ["PATH_INFO"][1:] or "200"
    headers = [("X-Twice", "one"), ("X-Twice", "two"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "\xe9")]
    if "length" in environ["QUERY_STRING"]:
        headers.append(("Content-Length", "9"))
    start_response((code + " " + REASONS.get(code, "Other")).strip(), headers)
    return [b"nine chrs"]
