"""A child of the application outlives its request by ten seconds: /child?s begins one and stays for s seconds itself; /pid."""
import os
import time


def application(environ, start_response):
    if environ["PATH_INFO"] == "/child":
        if os.fork() == 0:
            os.setsid()  # it is nobody's business when it ends
            time.sleep(10)
            os._exit(0)
        time.sleep(float(environ["QUERY_STRING"]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
