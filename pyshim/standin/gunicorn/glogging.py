"""The base of logger classes: gunicorn.glogging.Logger by its names, so that subclasses work.

gosrv's own logger is made of it too. What a subclass may override or call has Gunicorn's
names; the access log of a plain logger is written by the server itself, so access() is
called only for a subclass, or where the logging configuration asks for it.
"""

import base64
import binascii
import datetime
import json
import logging
import os
import sys
import threading
import time
import traceback

SYSLOG_FACILITIES = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6,
    "news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17,
    "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}
SEVERITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}

# What a logconfig_dict or logconfig_json is laid over, key by key of the first level.
CONFIG_DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True,
                           "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True,
                            "qualname": "gunicorn.access"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic",
                          "stream": "ext://sys.stderr"},
    },
    "formatters": {
        "generic": {"format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
                    "datefmt": "[%Y-%m-%d %H:%M:%S %z]", "class": "logging.Formatter"},
    },
}


def loggers():
    """Every logger that has a name."""
    return [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]


class SafeAtoms(dict):
    """The atoms of a line: names in braces in any case, "-" for what is not there."""

    def __init__(self, atoms):
        super().__init__((name, value.replace('"', '\\"') if isinstance(value, str) else value)
                         for name, value in atoms.items())

    def __getitem__(self, name):
        return self.get(name.lower() if name.startswith("{") else name, "-")


def json_line(atoms, resp, environ, request_time):
    """gosrv's access_log_format json, with the same keys as where the server writes the lines."""
    def first(*names):
        return next((dict.get(atoms, name) for name in names if dict.get(atoms, name) is not None), None)

    now = datetime.datetime.now().astimezone()
    return json.dumps({
        "time": now.isoformat(timespec="milliseconds"), "remote_addr": environ.get("REMOTE_ADDR"),
        "forwarded_for": first("{x-forwarded-for}i", "{forwarded}i", "{x-real-ip}i"),
        "user": None if atoms["u"] == "-" else atoms["u"], "method": environ.get("REQUEST_METHOD"),
        "target": environ.get("RAW_URI"), "path": environ.get("PATH_INFO"),
        "query": environ.get("QUERY_STRING"), "protocol": environ.get("SERVER_PROTOCOL"),
        "scheme": environ.get("wsgi.url_scheme"), "host": first("{host}i"), "status": int(atoms["s"]),
        "bytes": getattr(resp, "sent", None), "duration": request_time.total_seconds(),
        "referer": environ.get("HTTP_REFERER"), "user_agent": environ.get("HTTP_USER_AGENT"),
        "request_id": first("{x-request-id}i", "{x-correlation-id}i", "{x-request-id}o"), "pid": os.getpid(),
    }, ensure_ascii=False)


def parse_syslog_address(address):
    """(socket type or None, path or (host, port)) of unix://, udp:// and tcp:// addresses."""
    import socket

    kind, separator, rest = address.partition("://")
    if not separator or kind not in ("unix", "udp", "tcp"):
        raise RuntimeError("invalid syslog address")
    if kind == "unix":
        path, _, wanted = rest.partition("#")
        return {"dgram": socket.SOCK_DGRAM, "stream": socket.SOCK_STREAM}.get(wanted), path
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port[1:] if port.startswith(":") else port
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise RuntimeError("%r is not a valid port number." % port)
    return (socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM,
            (host.lower() or "localhost", int(port or 514)))


class SyslogHandler(logging.Handler):
    """Sends records as logging.handlers.SysLogHandler does. A server that is not there costs a
    record and no exception; one that does not read costs at most a second, once in ten."""

    PATIENCE, PAUSE = 1.0, 10.0

    def __init__(self, address, facility):
        super().__init__()
        self.kind, self.address = parse_syslog_address(address)
        self.facility, self.again = facility, 0.0
        self.lines = address.startswith("tcp://")
        self.socket, self.pid = self.connect(), os.getpid()

    def emit(self, record):
        try:
            text = self.format(record)
            if self.lines:
                text = text.replace("\n", "#012") + "\n"
            else:
                text += "\0"
            priority = self.facility << 3 | SEVERITIES.get(record.levelname, 4)
            self.send(("<%d>%s" % (priority, text)).encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - as in logging's own handlers: a formatter may be the user's
            self.handleError(record)

    def send(self, data):
        if self.pid != os.getpid():
            self.drop()  # after a fork: it is the other process's
            self.pid = os.getpid()
        for _ in range(2):  # a server that was started again is found at the second attempt
            if self.socket is None and time.monotonic() >= self.again:
                self.socket = self.connect()
            if self.socket is None:
                return
            try:
                self.socket.sendall(data)
                return
            except OSError:
                self.drop()

    def connect(self):
        import socket

        for family, kind, where in self.candidates(socket):
            found = socket.socket(family, kind)
            try:
                found.settimeout(self.PATIENCE)
                found.connect(where)
                return found
            except OSError:
                found.close()
        self.again = time.monotonic() + self.PAUSE
        return None

    def candidates(self, socket):
        if isinstance(self.address, str):
            for kind in [self.kind] if self.kind else [socket.SOCK_DGRAM, socket.SOCK_STREAM]:
                yield socket.AF_UNIX, kind, self.address
            return
        try:
            found = socket.getaddrinfo(*self.address, 0, self.kind)
        except OSError:
            return
        for family, kind, _, _, where in sorted(found, key=lambda f: f[0] != socket.AF_INET):
            yield family, kind, where

    def drop(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def close(self):
        self.drop()
        super().close()


class Logger:
    """server.log and worker.log. setup() may run again with another cfg."""

    LOG_LEVELS = {"critical": logging.CRITICAL, "error": logging.ERROR, "warning": logging.WARNING,
                  "info": logging.INFO, "debug": logging.DEBUG}
    loglevel = logging.INFO
    error_fmt = r"%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = r"[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class = SafeAtoms

    def __init__(self, cfg):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        for log in (self.error_log, self.access_log):
            log.propagate = False
        self.error_handlers, self.access_handlers = [], []
        self.logfile = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg):
        """Levels and handlers by the settings, and then what a logging configuration says."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(str(cfg.loglevel).lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        for log in (self.error_log, self.access_log):
            log.handlers[:] = [h for h in log.handlers if not getattr(h, "_gunicorn", False)]
        self._set_handler(self.error_log, cfg.errorlog, logging.Formatter(self.error_fmt, self.datefmt))
        if cfg.accesslog is not None:
            self._set_handler(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt),
                              stream=sys.stdout)
        if cfg.syslog:
            self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
            if not cfg.disable_redirect_access_to_syslog:
                self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")
        self.configure(cfg)

    @staticmethod
    def configure(cfg):
        """logconfig_dict before logconfig_json before logconfig: only one of them counts."""
        if not (cfg.logconfig_dict or cfg.logconfig_json or cfg.logconfig):
            return
        import logging.config  # costs some milliseconds

        try:
            if cfg.logconfig_dict:
                logging.config.dictConfig({**CONFIG_DEFAULTS, **cfg.logconfig_dict})
            elif cfg.logconfig_json:
                if os.path.exists(cfg.logconfig_json):
                    with open(cfg.logconfig_json, encoding="utf-8") as file:
                        logging.config.dictConfig({**CONFIG_DEFAULTS, **json.load(file)})
            elif cfg.logconfig:
                if not os.path.exists(cfg.logconfig):
                    raise RuntimeError("Error: log config '%s' not found" % cfg.logconfig)
                logging.config.fileConfig(cfg.logconfig, disable_existing_loggers=False, defaults={
                    "__file__": cfg.logconfig, "here": os.path.dirname(cfg.logconfig)})
        except (AttributeError, ImportError, LookupError, TypeError, ValueError) as e:
            cause = " (%s)" % e.__cause__ if e.__cause__ is not None else ""
            raise RuntimeError("%s%s" % (e, cause)) from e

    # --- the error log ----------------------------------------------------------------

    def critical(self, msg, *args, **kwargs):
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs):
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs):
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs):
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs):
        kwargs.setdefault("exc_info", True)
        self.error_log.error(msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        if isinstance(lvl, str):
            lvl = self.LOG_LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)

    # --- the access log ---------------------------------------------------------------

    @property
    def access_log_enabled(self):
        cfg = self.cfg
        return bool(cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json
                    or (cfg.syslog and not cfg.disable_redirect_access_to_syslog))

    def atoms(self, resp, req, environ, request_time):
        """What access_log_format can name."""
        status = resp.status
        if isinstance(status, str):
            status = status.split(None, 1)[0]
        sent = getattr(resp, "sent", None)
        micros = request_time.seconds * 1000000 + request_time.microseconds
        atoms = {
            "h": environ.get("REMOTE_ADDR", "-"), "l": "-", "u": self._get_user(environ) or "-",
            "t": self.now(),
            "r": "%s %s %s" % (environ["REQUEST_METHOD"], environ["RAW_URI"], environ["SERVER_PROTOCOL"]),
            "s": status, "m": environ.get("REQUEST_METHOD"), "U": environ.get("PATH_INFO"),
            "q": environ.get("QUERY_STRING"), "H": environ.get("SERVER_PROTOCOL"),
            "b": str(sent) if sent is not None else "-", "B": sent,
            "f": environ.get("HTTP_REFERER", "-"), "a": environ.get("HTTP_USER_AGENT", "-"),
            "T": request_time.seconds, "M": micros // 1000, "D": micros,
            "L": "%d.%06d" % (request_time.seconds, request_time.microseconds), "p": "<%s>" % os.getpid(),
        }
        for letter, found in (("i", getattr(req, "headers", req)), ("o", resp.headers), ("e", environ)):
            for name, value in found.items() if hasattr(found, "items") else found:
                atoms["{%s}%s" % (name.lower(), letter)] = value
        return atoms

    def access(self, resp, req, environ, request_time):
        """Logs one request; request_time is a timedelta."""
        if not self.access_log_enabled:
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        text = self.cfg.access_log_format
        try:
            if text == "json":
                dict.__setitem__(atoms, "json", json_line(atoms, resp, environ, request_time))
                text = "%(json)s"
            self.access_log.info(text, atoms)
        except Exception:  # noqa: BLE001 - the format, atoms and handlers may be the user's: no line is worth an answer
            self.error(traceback.format_exc())

    def now(self):
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def _get_user(self, environ):
        scheme, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme.lower().startswith("basic") or not coded:
            return None
        try:
            return base64.b64decode(coded.strip()).partition(b":")[0].decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError) as e:
            self.debug("Couldn't get username: %s", e)
            return None

    # --- files and handlers -----------------------------------------------------------

    def reopen_files(self):
        """After a rotation: every FileHandler of every logger opens its file again."""
        for handler in self._file_handlers():
            handler.acquire()
            try:
                if handler.stream:
                    handler.close()
                    handler.stream = handler._open()
            finally:
                handler.release()

    def close_on_exec(self):
        """Nothing to do: Python opens files so since 3.4."""

    @staticmethod
    def _file_handlers():
        found = {}
        for log in loggers():
            for handler in getattr(log, "handlers", ()):
                if isinstance(handler, logging.FileHandler):
                    found[id(handler)] = handler
        return list(found.values())

    def _get_gunicorn_handler(self, log):
        return next((h for h in log.handlers if getattr(h, "_gunicorn", False)), None)

    def _set_handler(self, log, output, fmt, stream=None):
        """Puts one handler in the place of the one that an earlier setup made."""
        old = self._get_gunicorn_handler(log)
        if old is not None:
            log.handlers.remove(old)
        if output is None:
            return
        if output == "-":
            handler = logging.StreamHandler(stream)
        else:
            handler = logging.FileHandler(output)
            try:
                os.chown(handler.baseFilename, self.cfg.user, self.cfg.group)
            except OSError:
                pass  # not ours to give away; the workers keep this user then
        handler.setFormatter(fmt)
        handler._gunicorn = True
        log.addHandler(handler)

    def _set_syslog_handler(self, log, cfg, fmt, name):
        prefix = cfg.syslog_prefix or cfg.proc_name.replace(":", ".")
        facility = SYSLOG_FACILITIES.get(cfg.syslog_facility.lower())
        if facility is None:
            raise RuntimeError("unknown facility name")
        handler = SyslogHandler(cfg.syslog_addr, facility)
        handler.setFormatter(logging.Formatter("gunicorn.%s.%s: %s" % (prefix, name, fmt)))
        handler._gunicorn, handler._plain = True, handler.formatter
        log.addHandler(handler)
