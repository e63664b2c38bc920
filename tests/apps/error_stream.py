"""Write to wsgi.errors in each way PEP 3333 names."""


def application(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("one line\n")
    errors.writelines(["written by ", "writelines\n"])
    print("printed", file=errors)
    errors.write("caf\xe9 \u20ac\n")
    errors.flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"written"]
