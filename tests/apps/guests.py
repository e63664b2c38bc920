"""write() and early_hints() that are called when they are not expected: between two pieces, and by other threads."""
import threading
from concurrent.futures import ThreadPoolExecutor

kept = {}


def tell(function):
    """What calling it came to, in a thread of its own if asked."""
    try:
        function()
    except Exception as err:
        return type(err).__name__
    return "done"


def in_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(tell, function).result()


def large(environ, start_response):
    """An answer that a client which does not read leaves suspended."""
    kept["write"] = start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"x" * (64 << 20), b"end"])


def other(environ, start_response):
    """Meanwhile somebody calls the write() of the suspended one."""
    write, ask = kept["write"], in_thread if environ["QUERY_STRING"] == "thread" else tell
    said = ask(lambda: write(b"NOT YOURS"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]


def writers(environ, start_response):
    """Threads that write on while their request's own thread goes on as well, and comes to the end before they do."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    begun = threading.Barrier(4)

    def run(name):
        begun.wait()
        try:
            for n in range(200):
                write(b"<%s%d>" % (name, n))
        except (RuntimeError, OSError):  # the request is over
            pass

    for name in (b"a", b"b", b"c"):
        threading.Thread(target=run, args=(name,), daemon=True).start()
    begun.wait()
    for n in range(50):
        yield b"<g%d>" % n


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/large", "/other", "/writers"):
        return globals()[path[1:]](environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
