"""--reload and --spew. Only a worker that was started with one of them pays for it."""

import glob
import linecache
import os
import signal
import sys
import threading
import time
import traceback

INTERVAL = 1.0  # seconds between two looks at the files, Gunicorn's


class Reloader(threading.Thread):
    """Looks at every imported source file and at the extra ones; ends the worker when one
    has changed. Its successor imports the new code."""

    def __init__(self, worker, extra):
        super().__init__(daemon=True, name="reloader")
        self.worker = worker
        self.patterns = [name for name in extra if glob.has_magic(name)]
        self.extra = [name for name in extra if not glob.has_magic(name)]
        self.times = {}

    def files(self):
        """Patterns are looked up each time: files may be new."""
        for module in tuple(sys.modules.values()):
            name = getattr(module, "__file__", None)
            if name:
                yield name[:-1] if name.endswith((".pyc", ".pyo")) else name
        yield from self.extra
        for pattern in self.patterns:
            yield from glob.glob(pattern, recursive=True)

    def changed(self):
        """The first file that is newer than at the look before, None if none is."""
        for name in self.files():
            try:
                modified = os.stat(name).st_mtime
            except OSError:
                continue
            if self.times.setdefault(name, modified) < modified:
                self.times[name] = modified
                return name
        return None

    def run(self):
        while True:
            name = self.changed()
            if name is not None and self.worker.leave_for(name):
                return
            time.sleep(INTERVAL)


def watch(worker):
    """The reloader of a worker, not started yet."""
    worker.log.warning("Reloader is on. Use in development only!")
    return Reloader(worker, worker.cfg.reload_extra_files or ())


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
