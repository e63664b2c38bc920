"""wsgi.file_wrapper over a real file (/file?offset=N&length=N), over BytesIO (/memory) and over a pipe (/pipe).

The file is FILE in the environment of the server. /closed says whether the last wrapped object was closed.
"""
import io
import os
from urllib.parse import parse_qs

state = {"last": None}


def application(environ, start_response):
    wrap = environ["wsgi.file_wrapper"]
    query = {key: int(values[0]) for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    headers = [("Content-Type", "application/octet-stream")]
    path = environ["PATH_INFO"]
    if path == "/closed":
        start_response("200 OK", headers)
        return [str(state["last"] is None or state["last"].closed).encode()]
    if path == "/memory":
        source = io.BytesIO(bytes(range(256)) * 100)
    elif path == "/pipe":
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        os.close(writer)
        source = os.fdopen(reader, "rb")
    elif path == "/file":
        source = open(os.environ["FILE"], "rb")
        source.seek(query.get("offset", 0))
        if "length" in query:
            headers.append(("Content-Length", str(query["length"])))
    else:
        start_response("200 OK", headers)
        return [b"ready"]
    state["last"] = source
    start_response("200 OK", headers)
    return wrap(source, 8192)
