"""Answer the process id, its parent's, and the ids at the time of import."""
import json
import os
import threading

IMPORTED_IN = os.getpid()


def application(environ, start_response):
    facts = {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "imported_in": IMPORTED_IN,
        "thread": threading.get_ident(),
        "thread_name": threading.current_thread().name,
        "thread_class": type(threading.current_thread()).__name__,
        "main_thread": threading.current_thread() is threading.main_thread(),
        "env": {k: v for k, v in os.environ.items() if "GOSRV" in k.upper() or "GUNICORN" in k.upper() or k.startswith("T_")},
        "multithread": environ["wsgi.multithread"],
        "multiprocess": environ["wsgi.multiprocess"],
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
