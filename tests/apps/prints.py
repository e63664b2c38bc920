"""Write to stdout, stderr and wsgi.errors, from Python and from below it."""
import os
import sys

print("IMPORT-STDOUT")


def application(environ, start_response):
    print("REQUEST-STDOUT", flush=True)
    print("REQUEST-STDERR", file=sys.stderr, flush=True)
    environ["wsgi.errors"].write("REQUEST-ERRORS\n")
    environ["wsgi.errors"].flush()
    os.write(1, b"RAW-STDOUT\n")
    start_response("200 OK", [("Content-Length", "7")])
    return [b"printed"]
