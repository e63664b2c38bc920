"""The loggers gunicorn.error and gunicorn.access, and wsgi.errors, over one descriptor."""

import io
import logging
import os
import sys

FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE = "[%Y-%m-%d %H:%M:%S %z]"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class DescriptorHandler(logging.Handler):
    """One write(2) a record, so that lines of several processes never mix."""

    def __init__(self, fd):
        super().__init__()
        self.fd = fd

    def emit(self, record):
        try:
            write_all(self.fd, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except Exception:
            self.handleError(record)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


class Logger:
    """What hooks know as server.log and worker.log (gunicorn.glogging.Logger there)."""

    def __init__(self, fd, level):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.handler = DescriptorHandler(fd)
        self.handler.setFormatter(logging.Formatter(FORMAT, DATE))
        for logger in (self.error_log, self.access_log):
            logger.propagate = False
        self.error_log.handlers[:] = [self.handler]
        self.error_log.setLevel(LEVELS.get(str(level).lower(), logging.INFO))
        self.access_log.setLevel(logging.INFO)
        self.loglevel = self.error_log.level

    @property
    def fd(self):
        return self.handler.fd

    def reopen(self, fd):
        """fd replaces the descriptor, which keeps its number for everybody that has it."""
        os.dup2(fd, self.handler.fd, inheritable=self.handler.fd <= 2)
        os.close(fd)

    def always(self, message, *args):
        """An error that must be seen, though a dictConfig of the application's with
        disable_existing_loggers has switched the logger off."""
        self.error_log.disabled = False
        self.error_log.error(message, *args)

    def critical(self, message, *args, **kwargs):
        self.error_log.critical(message, *args, **kwargs)

    def error(self, message, *args, **kwargs):
        self.error_log.error(message, *args, **kwargs)

    def warning(self, message, *args, **kwargs):
        self.error_log.warning(message, *args, **kwargs)

    def info(self, message, *args, **kwargs):
        self.error_log.info(message, *args, **kwargs)

    def debug(self, message, *args, **kwargs):
        self.error_log.debug(message, *args, **kwargs)

    def exception(self, message, *args, **kwargs):
        self.error_log.exception(message, *args, **kwargs)

    def log(self, level, message, *args, **kwargs):
        if isinstance(level, str):
            level = LEVELS.get(level.lower(), logging.INFO)
        self.error_log.log(level, message, *args, **kwargs)


class ErrorStream(io.TextIOBase):
    """wsgi.errors: PEP 3333 wants write(), writelines() and flush() with str."""

    def __init__(self, logger):
        super().__init__()
        self.logger = logger

    def write(self, text):
        write_all(self.logger.fd, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writable(self):
        return True

    def flush(self):
        """Nothing is ever held back."""


def capture_output(fd):
    """--capture-output: what Python and C write to stdout and stderr goes to the error log."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for number in (1, 2):
        if fd != number:
            os.dup2(fd, number)
