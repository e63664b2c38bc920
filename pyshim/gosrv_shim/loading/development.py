"""--reload and --spew. Only a worker that was started with one of them pays for it."""

import glob
import importlib.machinery
import linecache
import os
import signal
import sys
import threading
import traceback

INTERVAL = 1.0  # seconds between two looks at the files, Gunicorn's

times = {}  # file: when it had been written as of its import, or as of the first look at it


def note_imports(extra):
    """To be called before the application is imported: an edit that follows the import, but precedes
    the reloader's first look, is then seen. The loader asks for a source's time before it reads it."""
    stats = importlib.machinery.SourceFileLoader.path_stats

    def path_stats(self, path):
        found = stats(self, path)
        times.setdefault(path, found["mtime"])
        return found

    importlib.machinery.SourceFileLoader.path_stats = path_stats
    for name in matching(extra):
        changed(name)


def matching(names):
    """The files that names and patterns stand for now; those of a pattern may be new at each look."""
    for name in names:
        if glob.has_magic(name):
            yield from glob.glob(name, recursive=True)
        else:
            yield name


def changed(name):
    """Whether a file is newer than at the look before."""
    try:
        modified = os.stat(name).st_mtime
    except OSError:
        return False
    if times.setdefault(name, modified) >= modified:
        return False
    times[name] = modified
    return True


class Reloader(threading.Thread):
    """Looks at every imported source file and at the extra ones; ends the worker when one
    has changed. Its successor imports the new code."""

    def __init__(self, worker, extra, sleep):
        super().__init__(daemon=True, name="reloader")
        self.worker, self.extra, self.sleep = worker, list(extra), sleep

    def files(self):
        for module in tuple(sys.modules.values()):
            name = getattr(module, "__file__", None)
            if name:
                yield name[:-1] if name.endswith((".pyc", ".pyo")) else name
        yield from matching(self.extra)

    def run(self):
        while True:
            name = next(filter(changed, self.files()), None)
            if name is not None and self.worker.leave_for(name):
                return
            self.sleep(INTERVAL)


def watch(worker, sleep):
    """The reloader of a worker, not started yet; it waits by the given time.sleep, which nothing has patched."""
    worker.log.warning("Reloader is on. Use in development only!")
    return Reloader(worker, worker.cfg.reload_extra_files or (), sleep)


def ask_master():
    """A preloaded application is in the zygote: only a reload of everything brings new code."""
    os.kill(os.getppid(), signal.SIGHUP)


def failing_application(error):
    """Shows a syntax error in the browser instead of ending the worker."""
    body = "".join(traceback.format_exception(type(error), error, error.__traceback__)).encode()

    def application(environ, start_response):
        start_response("500 Internal Server Error", [
            ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def spew():
    """--spew: every line of Python that runs, on stdout."""
    def trace(frame, event, argument):
        if event == "line":
            name = frame.f_globals.get("__file__", frame.f_code.co_filename)
            line = linecache.getline(name, frame.f_lineno).rstrip()
            print("%s:%s: %s" % (frame.f_globals.get("__name__"), frame.f_lineno, line))
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
