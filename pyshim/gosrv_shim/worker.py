"""One worker between its fork and its end: boot, signal handlers, what C calls back."""

import _gosrv
import os
import signal
import sys
import threading
import traceback

from . import green, hooks, logs, process
from .process import privileges, stacks
from .request import files

# The bits of _gosrv.request (gosrv.h, GOSRV_SIG_*).
DRAIN, QUIT = 1, 2

class Refused(Exception):
    """The machine does not let this worker be; all there is to say is in the message."""


class Worker:
    """The worker as hooks see it (gunicorn.workers.base.Worker there), and as C does."""

    file_wrapper = files.FileWrapper

    def __init__(self, nr, age, cfg, log, server, errors):
        self.number, self.age, self.cfg = nr, age, cfg
        self.ppid = server.pid
        self.pid = "[booting]"
        self.booted = self.aborted = False
        self.control = None  # the channel to the master, while it boots
        self.waker = -1      # a byte written there wakes the loop
        self.max_requests = cfg.draw_lifetime()
        self.application = self.wsgi = None
        self.sharing = None  # with its zygote: what both have of the standard library (forks/stdlib.py)
        self.hub = None  # the event loop of Python's in which requests run, if the class has one
        self.hooked = False  # the application is called through HookedApplication
        self.log, self._server, self._alive = log, server, True
        self._errors, self._relay, self._route = errors, None, 0
        self.renewed = set()  # threads that every worker starts anew
        self._warned = process.threads_patched()  # before the fork: the master has said it
        self._retired = False  # it is a zygote now (forks/refork.py)
        self._after_fork = _gosrv.after_fork  # of the copy of C that before_fork is of

    def __str__(self):
        return "<Worker %s>" % self.pid

    @property
    def alive(self):
        return self._alive

    @alive.setter
    def alive(self, value):
        """worker.alive = False is Gunicorn's idiom for: leave after this request."""
        self._alive = bool(value)
        if not value:
            _gosrv.request(DRAIN)

    # --- boot -------------------------------------------------------------------------

    def boot(self, preloaded):
        """Everything up to the imported application. Runs in the new process."""
        cfg = self.cfg
        self.pid = os.getpid()
        self.limit_requests()
        _gosrv.set_title("gosrv: worker %s [%s]" % (self.number, self.title()))
        hooks.run(cfg, self.log, "post_fork", self._server, self)
        self.set_signals()  # until then they are passed over, and patching takes its time
        if not preloaded:
            green.patch(cfg)
        self.renewed = set(threading.enumerate())
        privileges.drop(cfg)
        self.end_with_master()  # another user: the kernel has forgotten it
        os.register_at_fork(before=_gosrv.before_fork, after_in_parent=_gosrv.after_fork,
                            after_in_child=self.after_fork_in_child)
        self.load(preloaded)
        if self.sharing is not None and not preloaded:
            self.sharing.tell(self.control)
        of_import = set(threading.enumerate())
        hooks.run(cfg, self.log, "post_worker_init", self)
        self.renewed.update(set(threading.enumerate()) - of_import)
        self._server.take_back()
        self.hub = green.make(cfg, self.log)
        try:
            self.application = green.complete(cfg, self.application)
        except green.library.Missing as e:
            raise Refused(str(e)) from e
        self._route = logs.route(self.log)  # the application may have configured the loggers, too
        if "pre_request" in cfg.hooks or "post_request" in cfg.hooks or self._route & logs.ACCESS:
            from .request import hooked

            self.application = hooked.HookedApplication(self.application, self, self._route & logs.ACCESS)
            self.hooked = True
        if self._route:
            self._relay = logs.Relay(self.log, cfg)
        if not self._route & logs.ACCESS and logs.noted(cfg):
            _gosrv.note_environ(logs.noted(cfg))
        stacks.keep_for_watchdog()
        lack = _gosrv.lacks()  # the config file or the application may have set limits
        if lack:
            raise Refused("Worker cannot serve: " + lack)
        self.control = None
        self.booted = True

    def limit_requests(self):
        _gosrv.limit_requests(0 if self.max_requests >= sys.maxsize else self.max_requests)

    def end_with_master(self):
        """The kernel kills this worker with its master, whatever it is at: until it serves it has
        nothing to finish, and it may be at something that never ends. Go lets it drain later."""
        _gosrv.die_with(signal.SIGKILL)
        if os.getppid() != self.ppid:
            raise SystemExit(0)  # the master died meanwhile

    def load(self, preloaded):
        """Imports the application. With --reload even one that cannot be parsed is served:
        the browser shows why, and the next edit may repair it."""
        reloader = None
        if self.cfg.resolved.get("spew"):
            from .loading import development

            development.spew()
        if self.cfg.resolved.get("reload"):
            from .loading import development

            reloader = development.watch(self, process.sleep)
            if not preloaded:
                development.note_imports(reloader.extra)
        try:
            self.wsgi = self._server.app.wsgi()
            if not preloaded:
                warm_up(self.wsgi, self.cfg, self.log, self._server)
        except SyntaxError as e:
            if reloader is None:
                raise
            self.log.exception("%s", e)
            if e.filename is not None:
                reloader.extra.append(e.filename)
            self.wsgi = development.failing_application(e)
        self.application = self.wsgi
        if reloader is not None and (not preloaded or self.number == 0):  # one is enough to ask for all
            self._preloaded = preloaded
            process.start_thread(reloader, loop=False)

    def leave_for(self, name):
        """A source file has changed; called in the reloader's thread. True if this worker goes:
        if a preloaded application is to be replaced, the master decides, and the new code may
        be broken."""
        self.log.info("Worker reloading: %s modified", name)
        if self._preloaded:
            from .loading import development

            development.ask_master()
            return False
        self.alive = False
        hooks.run(self.cfg, self.log, "worker_int", self)
        return True

    def title(self):
        return self._server.proc_name

    def set_signals(self):
        """Gunicorn's handlers. They are ordinary Python callables, so that an application
        can chain them; chosen before its import, so that its own ones win."""
        ours = {
            signal.SIGTERM: self.handle_term, signal.SIGINT: self.handle_quit,
            signal.SIGQUIT: self.handle_quit, signal.SIGUSR1: self.handle_usr1,
            signal.SIGABRT: self.handle_abort,
        }
        # In one step each: a TERM must not meet the default action in between.
        for number, disposition in {**process.FRESH, **ours}.items():
            signal.signal(number, disposition)
        signal.siginterrupt(signal.SIGTERM, False)
        signal.siginterrupt(signal.SIGUSR1, False)
        self.waker = _gosrv.wakeup_open()
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)

    # --- signals ----------------------------------------------------------------------

    def handle_term(self, number, frame):
        self._alive = False
        _gosrv.request(DRAIN)

    def handle_quit(self, number, frame):
        self._alive = False
        _gosrv.request(QUIT)
        hooks.run(self.cfg, self.log, "worker_int", self)
        self.leave(0)

    def handle_usr1(self, number, frame):
        """Log files are the master's, which passes new ones on when it gets the signal."""

    def handle_abort(self, number, frame):
        """The master's time-out, or an operator: say where the application stands, then leave."""
        self._alive = False
        self.aborted = True
        _gosrv.request(QUIT)
        if frame is not None and not _gosrv.stacks_shown():
            self.log.error("Worker (pid:%s) was aborted here:\n%s", self.pid,
                            "".join(traceback.format_stack(frame)).rstrip())
        hooks.run(self.cfg, self.log, "worker_abort", self)
        self.leave(1)

    def leave(self, code):
        """Breaks into the application, or into its import. Anywhere else, in atexit or in
        threading, an exception would only disturb: the loop has its order to quit."""
        if not self.booted or (self.hub.at_request() if self.hub else _gosrv.calling()):
            raise SystemExit(code)

    def after_fork_in_child(self):
        """A child that the application forked: none of our handlers, sockets, threads."""
        if self._retired:
            self._after_fork()
            return
        _gosrv.after_fork_child()
        ours = (self.handle_term, self.handle_quit, self.handle_usr1, self.handle_abort)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGABRT):
            if signal.getsignal(number) in ours:
                signal.signal(number, process.FRESH.get(number, signal.SIG_DFL))
        signal.set_wakeup_fd(-1)  # the forking thread is the child's main thread
        self._after_fork()

    def retire(self):
        """In a child that is a zygote, what at-fork hooks still hold of this worker does nothing."""
        import faulthandler

        self._retired = True
        if self._relay:
            self._relay.close()
        faulthandler.disable()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)  # faulthandler has given it back

    # --- called by C ------------------------------------------------------------------

    def base_environ(self, environ):
        """Completes a listener's constant environ with the objects of PEP 3333."""
        environ.update(constants(self.cfg, self._server), **{"wsgi.errors": logs.ErrorStream(self._errors)})
        return environ

    def handle_exception(self, error, method, uri):
        """Logs an exception of the application, with the request it belongs to."""
        what = "Exception in worker process" if uri is None else "Error handling request %s %s" % (
            method, uri)
        logs.usable(self.log).exception("%s", printable(what),
                                        exc_info=(type(error), error, error.__traceback__))

    def handle_fault(self, what, method, uri):
        """Logs a fault of the application that is no exception."""
        logs.usable(self.log).error("Error handling request %s %s: %s", method, printable(uri or ""), what)

    def reopen_logs(self, fd):
        """USR1: the error log is another file now. fd stays the caller's."""
        self._errors.reopen(os.dup(fd))
        logs.capture_output(self.cfg, self._errors.fd)
        self.log.reopen_files()

    def refork(self, *child):
        """C's, without arguments before it forks a zygote, and in that child with what it is to be."""
        from .forks import refork

        (refork.continue_as_zygote if child else refork.before)(self, *child)

    def enable_faults(self):
        """A fault's Python stack goes into the error log, wherever stderr goes."""
        import faulthandler

        faulthandler.enable(self._errors.fd)

    def last_words(self):
        """The error log's descriptor, -1 if stderr is the same file."""
        try:
            return -1 if os.path.sameopenfile(self._errors.fd, 2) else self._errors.fd
        except OSError:
            return self._errors.fd

    def log_route(self):
        """(descriptor for Go's lines or -1, what Python logs, the least level)."""
        return self._relay.writer.fileno() if self._relay else -1, self._route, logs.level()

    def sendfile_range(self, wrapper):
        """(fd, offset, length) of the rest of a regular file, None to iterate instead."""
        return None if self.cfg.sendfile is False else files.sendfile_range(wrapper)

    @staticmethod
    def open_socket(fd, grant):
        from .request import open_socket

        return open_socket.of_request(fd, grant)

    def start_threads(self, count, name):
        if process.threads_patched() and not self._warned and self.number == 0:  # by the application, in every worker
            self.log.warning(process.THREADS_PATCHED, count)
        for slot in range(count):
            thread = threading.Thread(target=_gosrv.enter_thread, args=(slot + 1,),
                                      name="%s_%d" % (name, slot), daemon=True)
            self.renewed.add(thread)
            process.start_thread(thread)

    def shutdown(self):
        """The end of `python`, without finalising the interpreter."""
        import atexit

        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGABRT):
            signal.signal(number, signal.SIG_IGN)  # it is on its way out already
        try:
            hooks.run(self.cfg, self.log, "worker_exit", self._server, self)
        except Exception:  # noqa: BLE001 - a hook, which run() has logged; the worker leaves all the same, as in Gunicorn
            pass
        threading._shutdown()
        atexit._run_exitfuncs()
        if self._relay:
            self._relay.drain()
        process.flush()

    @staticmethod
    def leave_child():
        """A stream that another thread wrote to when this process was forked stays locked here: no longer than a second."""
        process.run_for(1, process.flush)


def constants(cfg, server):
    """What environ says in all requests of a process."""
    return {
        "SERVER_SOFTWARE": server.software, "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.run_once": False,
        "wsgi.multithread": cfg.worker_class_str != "sync", "wsgi.multiprocess": cfg.workers > 1,
        "wsgi.file_wrapper": files.FileWrapper, "wsgi.input_terminated": True,
    }


def warm_up(loaded, cfg, log, server):
    if cfg.resolved.get("warm_up"):
        from .loading import warmup

        warmup.run(loaded, cfg, log, constants(cfg, server))


def printable(text):
    """Client bytes as one harmless line."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "\\x%02x" % ord(c) for c in text)
