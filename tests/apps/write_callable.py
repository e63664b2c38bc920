"""The write() callable that start_response returns, alone and mixed with an iterable."""


def application(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/length":
        headers.append(("Content-Length", "12"))
    write = start_response("200 OK", headers)
    write(b"written ")
    if environ["PATH_INFO"] == "/big":
        for _ in range(64):
            write(b"x" * 65536)
    return [b"then"]
