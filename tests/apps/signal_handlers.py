"""Signal handlers set at import, and later by requests; each handler writes its name to a list that / answers.

/alarm       wait for a SIGALRM of one's own timer          /later       install a handler for SIGUSR2 now
/chain_term  put a handler before the server's SIGTERM handler and call that one from it
/own_term    replace the server's SIGTERM handler without calling it
/table       the Python-level handlers as signal.getsignal tells them
"""
import json
import os
import signal
import threading
import time

seen = []


def note(signum, frame):
    seen.append(signal.Signals(signum).name)


AT_IMPORT = signal.signal(signal.SIGALRM, note)
signal.signal(signal.SIGWINCH, note)


def alarm():
    before = len(seen)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    deadline = time.monotonic() + 5
    while len(seen) == before and time.monotonic() < deadline:
        time.sleep(0.001)
    return seen[before:]


def later():
    signal.signal(signal.SIGUSR2, note)
    return "set"


def chain_term():
    def mine(signum, frame):
        os.write(2, b"MY SIGTERM FIRST\n")
        old(signum, frame)

    old = signal.signal(signal.SIGTERM, mine)
    return callable(old)


def own_term():
    signal.signal(signal.SIGTERM, lambda signum, frame: os.write(2, b"MY SIGTERM ONLY\n"))
    return "set"


def kind(handler):
    if handler in (signal.SIG_DFL, signal.SIG_IGN):
        return handler.name
    return "callable" if callable(handler) else repr(handler)


def table():
    names = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGABRT", "SIGPIPE", "SIGCHLD", "SIGALRM", "SIGHUP")
    return {name: kind(signal.getsignal(getattr(signal, name))) for name in names}


WAYS = {"/alarm": alarm, "/later": later, "/chain_term": chain_term, "/own_term": own_term, "/table": table}


def application(environ, start_response):
    way = WAYS.get(environ["PATH_INFO"])
    main = threading.current_thread() is threading.main_thread()
    body = json.dumps({"pid": os.getpid(), "main": main, "seen": seen, "answer": way() if way else None}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
