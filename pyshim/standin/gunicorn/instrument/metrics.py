"""Metrics for statsd out of log calls: mixed into a logger class. Needs no other module of the package."""

import logging
import socket
import time

GAUGE_TYPE, COUNTER_TYPE, HISTOGRAM_TYPE, TIMER_TYPE = "gauge", "counter", "histogram", "timer"


class Metrics:
    """gunicorn.instrument.statsd.Statsd without its base. A server that does not read costs PATIENCE
    seconds, and then nothing for PAUSE."""

    PATIENCE, PAUSE = 0.05, 1.0

    def __init__(self, cfg):
        super().__init__(cfg)
        self.measure(cfg)

    def measure(self, cfg):
        prefix = cfg.statsd_prefix or ""
        self.prefix = prefix.rstrip(".") + "." if len(prefix) > 1 else prefix
        self.dogstatsd_tags = cfg.dogstatsd_tags
        self.sock, self.again = self._connect(cfg.statsd_host), 0.0

    @classmethod
    def _connect(cls, where):
        """None if there is no such address: metrics are then dropped, as a datagram would be."""
        if where is None:
            return None
        unix = isinstance(where, str)
        try:
            if unix:
                family = socket.AF_UNIX
            else:
                found = socket.getaddrinfo(where[0], where[1], 0, socket.SOCK_DGRAM)
                family, _, _, _, where = min(found, key=lambda f: f[0] != socket.AF_INET)
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.settimeout(cls.PATIENCE)
            sock.connect(where)
        except OSError:
            return None
        return sock

    def critical(self, msg, *args, **kwargs):
        super().critical(msg, *args, **kwargs)
        self.increment("gunicorn.log.critical", 1)

    def error(self, msg, *args, **kwargs):
        super().error(msg, *args, **kwargs)
        self.increment("gunicorn.log.error", 1)

    def warning(self, msg, *args, **kwargs):
        super().warning(msg, *args, **kwargs)
        self.increment("gunicorn.log.warning", 1)

    def exception(self, msg, *args, **kwargs):
        super().exception(msg, *args, **kwargs)
        self.increment("gunicorn.log.exception", 1)

    def info(self, msg, *args, **kwargs):
        self.log(logging.INFO, msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        """A record with extra={"metric": .., "value": .., "mtype": ..} is a metric, and a line
        only if it has a text."""
        extra = kwargs.get("extra") or {}
        name, value, kind = extra.get("metric"), extra.get("value"), extra.get("mtype")
        if name and value is not None and kind:
            send = {GAUGE_TYPE: self.gauge, COUNTER_TYPE: self.increment,
                    HISTOGRAM_TYPE: self.histogram, TIMER_TYPE: self.timer}.get(kind)
            if send is not None:
                send(name, value)
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        status = resp.status.decode() if isinstance(resp.status, bytes) else resp.status
        if isinstance(status, str):
            status = int(status.split(None, 1)[0])
        self.timer("gunicorn.request.duration",
                   request_time.seconds * 1000 + request_time.microseconds / 1000)
        self.increment("gunicorn.requests", 1)
        self.increment("gunicorn.request.status.%d" % status, 1)

    def gauge(self, name, value):
        self._sock_send("%s%s:%s|g" % (self.prefix, name, value))

    def increment(self, name, value, sampling_rate=1.0):
        self._sock_send("%s%s:%s|c|@%s" % (self.prefix, name, value, sampling_rate))

    def decrement(self, name, value, sampling_rate=1.0):
        self._sock_send("%s%s:-%s|c|@%s" % (self.prefix, name, value, sampling_rate))

    def timer(self, name, value):
        self._sock_send("%s%s:%s|ms" % (self.prefix, name, value))

    def histogram(self, name, value):
        self._sock_send("%s%s:%s|h" % (self.prefix, name, value))

    def _sock_send(self, msg):
        if isinstance(msg, str):
            msg = msg.encode("utf-8", "replace")
        if self.dogstatsd_tags:
            msg += b"|#" + self.dogstatsd_tags.encode("utf-8", "replace")
        if self.sock is None or time.monotonic() < self.again:
            return
        try:
            self.sock.send(msg)
        except socket.timeout:
            self.again = time.monotonic() + self.PAUSE
        except OSError:
            pass  # nobody listens
