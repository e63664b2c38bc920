"""The loggers gunicorn.error and gunicorn.access, wsgi.errors, and who writes which line.

Lines come from Python (hooks, application, tracebacks) and from Go (the master's, and what a
worker does outside of Python). As long as gunicorn.error has no handler but ours, both write to
the same descriptor, one write(2) a line. Where a logger class or a logging configuration of the
user's has put something else there, Go's lines are handed to Python (relay_line) and go its way.
The same holds for gunicorn.access: plain, its lines are Go's.
"""

import _thread
import io
import json
import logging
import os
import re
import select
import socket
import sys
import time

from . import glogging, metrics

DEFAULT_CLASS, MEASURED_CLASS = "gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd"
ERRORS, ACCESS, METRICS = 1, 2, 4  # bits of Route: what Go leaves to Python (cpython.LogRoute)
MAX_PACKET = 128 << 10


class Destination:
    """The error log's descriptor. It keeps its number for everybody that has it."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, fd):
        self.fd, self.lost = fd, 0

    def write_as(self, stream):
        """Text is encoded as that stream does it (PYTHONIOENCODING, the locale); None: there is none."""
        if stream is not None:
            self.encoding, self.errors = stream.encoding, stream.errors

    def reopen(self, fd):
        """Another file takes its place. fd is closed."""
        os.dup2(fd, self.fd, inheritable=self.fd <= 2)
        os.close(fd)

    def write(self, text):
        data = text.encode(self.encoding, self.errors)
        while data:
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:  # somebody made a shared terminal or pipe so
                if not self.room():
                    return

    def line(self, text):
        """As wsgi/logs/errlog: what is lost is said once on standard error, and counted."""
        try:
            self.write(text + "\n")
            if self.lost:
                self.write("%s [%d] [WARNING] Lines of this log that are lost: %d\n" % (time.strftime("[%Y-%m-%d %H:%M:%S %z]"), os.getpid(), self.lost))
                self.lost = 0
        except OSError as e:
            self.lost += 1
            if self.lost == 1:
                self.tell(e)

    def tell(self, error):
        try:
            if not os.path.sameopenfile(self.fd, 2):
                os.write(2, b"gosrv: [%d] the error log cannot be written: %s; its lines are lost until it can\n"
                         % (os.getpid(), error.strerror.lower().encode()))
        except OSError:
            pass  # there is no standard error either

    def room(self):
        waiting = poll()
        waiting.register(self.fd, select.POLLOUT)
        return waiting.poll(1000)


poll = select.poll  # the real one, whatever the application replaces later


class DescriptorHandler(logging.Handler):
    """One write(2) a record, so that lines of several processes never mix."""

    def __init__(self, destination):
        super().__init__()
        self.destination = destination

    def emit(self, record):
        try:
            self.destination.line(self.format(record))
        except Exception:  # noqa: BLE001 - as in logging's own handlers: a formatter may be the user's
            self.handleError(record)


class Logger(glogging.Logger):
    """The default: the error log is the descriptor that the master has opened."""

    def __init__(self, cfg, destination):
        self.destination = destination
        super().__init__(cfg)

    def _set_handler(self, log, output, fmt, stream=None):
        if log is self.error_log:
            handler = DescriptorHandler(self.destination)
        elif output is None:
            return
        elif output == "-":
            handler = logging.StreamHandler(stream)
        else:
            handler = logging.FileHandler(output, delay=True)
        handler.setFormatter(fmt)
        handler._gunicorn, handler._plain = True, fmt
        log.addHandler(handler)


class MeasuredLogger(metrics.Metrics, Logger):
    """With statsd_host. Requests are measured by Go."""

    def __init__(self, cfg, destination):
        self.destination = destination
        self.sock, self.prefix, self.dogstatsd_tags = None, "", ""
        glogging.Logger.__init__(self, cfg)
        self.measure(cfg)


def make(cfg, destination):
    """server.log by the settings. RuntimeError says what is wrong with them."""
    named = cfg.resolved.get("logger_class") or DEFAULT_CLASS
    measured = cfg.statsd_host is not None
    if named == MEASURED_CLASS or named in (DEFAULT_CLASS, "simple") and measured:
        return MeasuredLogger(cfg, destination)
    if named in (DEFAULT_CLASS, "simple"):
        return Logger(cfg, destination)
    found = cfg.objects.get("logger_class")
    if not isinstance(found, type) or named != "%s.%s" % (found.__module__, found.__qualname__):
        found = load(named)  # the command line may name another than the config file
    if hasattr(found, "install"):
        found.install()
    return found(cfg)


def ignored(cfg):
    """What there is to warn of: Gunicorn passes over a JSON file that is not there."""
    if cfg.logconfig_json and not cfg.logconfig_dict and not os.path.exists(cfg.logconfig_json):
        return ["logconfig_json: %s does not exist; logging is as without it" % cfg.logconfig_json]
    return []


def load(named):
    import importlib

    module, _, name = named.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (AttributeError, ImportError, ValueError) as e:
        raise RuntimeError("logger_class: %r is not the dotted path of a class that can be imported (%s)"
                           % (named, e)) from e


def usable(log):
    """log, for a message that must be seen: a dictConfig of the application's with
    disable_existing_loggers has perhaps switched it off."""
    logger = getattr(log, "error_log", None)
    if logger is not None and logger.disabled:
        logger.disabled = False
    return log


def handlers(log):
    """All that a record of this logger reaches."""
    while log is not None:
        yield from log.handlers
        log = log.parent if log.propagate else None


def plain(log):
    """Whether a logger is as it was set up: our handlers and nothing else."""
    return not log.filters and log.handlers and all(
        getattr(h, "_gunicorn", False) and not h.filters and h.formatter is getattr(h, "_plain", h.formatter)
        for h in handlers(log))


def own_access(log):
    """Whether the class has an access() of its own: it may do anything."""
    return type(log).access.__module__ not in (glogging.__name__, metrics.__name__, "gunicorn.glogging")


def route(log):
    """ERRORS | ACCESS | METRICS: what Go cannot do in this logger's place."""
    bits = 0
    ours = type(log) in (Logger, MeasuredLogger)
    errors, access = logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")
    if not errors.disabled and (not ours or not plain(errors)):
        bits |= ERRORS
    enabled = getattr(log, "access_log_enabled", True) and not access.disabled and any(handlers(access))
    if own_access(log) or enabled and not (ours and plain(access)):
        bits |= ACCESS
        if hasattr(log, "gauge") and hasattr(log, "timer"):
            bits |= METRICS  # its access() counts and measures
    return bits


def noted(cfg):
    """What the access log shows of environ as the application leaves it: (name as Go knows it, key,
    key ...) each. Another middleware's client address is in REMOTE_ADDR, as with Gunicorn."""
    if cfg.accesslog is None and (not cfg.syslog or cfg.disable_redirect_access_to_syslog):
        return ()
    text = cfg.access_log_format
    names = re.findall(r"%\(\{([^}]*)\}e\)", text, re.IGNORECASE)
    if "%(h)" in text or text == "json":
        names.append("REMOTE_ADDR")
    return tuple((name.lower(), *dict.fromkeys((name, name.upper(), name.lower())))
                 for name in dict.fromkeys(names))


def level():
    """The least level that gunicorn.error lets through."""
    return logging.getLogger("gunicorn.error").getEffectiveLevel()


def relay_line(log, message):
    """A line of Go's becomes a record, of the process and the moment it belongs to."""
    plain = logging.getLogRecordFactory()
    here = _thread.get_ident()

    def factory(*args, **kwargs):
        record = plain(*args, **kwargs)
        if record.thread == here and "pid" in message:
            record.process, record.processName = message["pid"], "MainProcess"
        return record

    say = {10: log.debug, 20: log.info, 30: log.warning, 40: log.error, 50: log.critical}
    logging.setLogRecordFactory(factory)
    try:
        say.get(message["level"], log.info)("%s", message["text"])
    finally:
        logging.setLogRecordFactory(plain)


class Relay:
    """Where a worker's Go side leaves its lines, one JSON object a packet, and the raw thread that
    logs them: not a threading.Thread, which the application may have replaced."""

    def __init__(self, log, cfg):
        self.log, self.cfg = log, cfg
        self.reader, self.writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.reader.setblocking(False)
        self.lock = lock()
        start(self.run, ())

    def run(self):
        waiting = poll()
        waiting.register(self.reader.fileno(), select.POLLIN)
        while True:
            waiting.poll()
            if not self.drain():
                return

    def drain(self):
        """Logs what has come. False at the end."""
        with self.lock:
            while True:
                try:
                    data = os.read(self.reader.fileno(), MAX_PACKET)
                except BlockingIOError:
                    return True
                except OSError:
                    return False
                if not data:
                    return False
                try:
                    self.deliver(json.loads(data))
                except Exception:  # noqa: BLE001 - a handler of the user's: it is said, and the next line is delivered all the same
                    sys.excepthook(*sys.exc_info())

    def close(self):
        """In a forked child, where the thread is not."""
        self.reader.close()
        self.writer.close()

    def deliver(self, message):
        if message["kind"] == "line":
            relay_line(usable(self.log), message)
        else:
            from .request import hooked  # few workers need it

            self.log.access(*hooked.refused(message, self.cfg))


lock, start = _thread.allocate_lock, _thread.start_new_thread


class ErrorStream(io.TextIOBase):
    """wsgi.errors: PEP 3333 wants write(), writelines() and flush() with str."""

    def __init__(self, destination):
        super().__init__()
        self.destination = destination

    @property
    def encoding(self):
        return self.destination.encoding

    @property
    def errors(self):
        return self.destination.errors

    def write(self, text):
        try:
            self.destination.write(text)
        except OSError:
            pass  # a full disk costs the line, and not the answer
        return len(text)

    def writable(self):
        return True

    def flush(self):
        """Nothing is ever held back."""


def capture_output(cfg, fd):
    """--capture-output: what Python and C write to stdout and stderr goes to the error log, if
    that is a file."""
    if not cfg.resolved.get("capture_output") or cfg.resolved.get("errorlog") == "-":
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for number in (1, 2):
        if fd != number:
            os.dup2(fd, number)
