"""worker as hooks see it: gunicorn.workers by its names (Gunicorn 27), with SyncWorker and ThreadWorker.

Connections are accepted, and requests read and answered, outside of Python: the methods that do so in Gunicorn do
nothing here, and nobody calls them.
"""

import _gosrv
import os
import signal
import sys
import time
from collections import deque

from .. import worker

TELL_EVERY = 0.1  # s between two words to the master that the boot goes on


class Heartbeat:
    """worker.tmp: the file that Gunicorn's workers touch. Here the scoreboard stands in."""

    def __init__(self, notify):
        self._notify, self._last = notify, time.monotonic()

    def notify(self):
        self._notify()

    def last_update(self):
        return self._last

    def fileno(self):
        return -1

    def close(self):
        """There is no file."""


class GunicornWorker(worker.Worker):
    SIGNALS = [getattr(signal, "SIG" + name) for name in "ABRT HUP QUIT INT TERM USR1 USR2 WINCH CHLD".split()]
    reloader = None
    name_of_class = None  # gunicorn's

    def __init__(self, nr, age, cfg, log, server, errors):
        self._began = 0     # what nr counts from
        self.asking = set()  # threads that are in the hook pre_request
        super().__init__(nr, age, cfg, log, server, errors)
        self.app, self.sockets = server.app, server.LISTENERS
        self.timeout = cfg.timeout / 2  # how often Gunicorn's workers notify its master
        self.tmp = Heartbeat(self.notify)
        self._next_word = 0.0

    @property
    def __class__(self):
        """isinstance(worker, SyncWorker) holds with Gunicorn's class, once somebody has imported it."""
        module, _, name = self.name_of_class.rpartition(".")
        return getattr(sys.modules.get(module), name, type(self))

    def __dir__(self):
        return sorted({*self.__dict__, *dir(type(self))})

    @property
    def nr(self):
        """Requests that the worker has begun: one in pre_request not yet, in Gunicorn's count."""
        return _gosrv.requests() - self._began - len(self.asking) if self._entered() else 0

    @nr.setter
    def nr(self, number):
        self._began = (_gosrv.requests() if self._entered() else 0) - number
        self.limit_requests()

    @property
    def max_requests(self):
        return self._max_requests

    @max_requests.setter
    def max_requests(self, number):
        self._max_requests = number
        self.limit_requests()

    def limit_requests(self):
        """Go has its own count: nr that was set moves the limit."""
        if self._entered():
            limit = self._max_requests
            _gosrv.limit_requests(0 if limit >= sys.maxsize else max(1, limit + self._began))

    def _entered(self):
        return self.pid == os.getpid()

    def notify(self):
        """The worker is not stuck: its time-out begins again, that of a boot and that of a request."""
        self.tmp._last = now = time.monotonic()
        _gosrv.notify()
        if self.control is not None and now >= self._next_word:
            self._next_word = now + TELL_EVERY
            self.control.send_if_room("WorkerNotified")

    @property
    def PIPE(self):
        """What is written into the second one wakes the loop; the first is the loop's."""
        return (-1, self.waker) if self.waker >= 0 else []

    @property
    def wait_fds(self):
        return [*self.sockets, *self.PIPE[:1]]

    def is_parent_alive(self):
        return self.ppid == os.getppid()

    def load_wsgi(self):
        self.wsgi = self.app.wsgi()

    def init_signals(self):
        self.set_signals()

    def handle_exit(self, sig, frame):
        self.handle_term(sig, frame)

    def handle_winch(self, sig, fname):
        """Nothing, as in Gunicorn."""

    def handle_error(self, req, client, addr, exc):
        self.log.error("Error handling request %s", getattr(req, "uri", "(no URI read)"), exc_info=exc)

    def serves(self, *args):
        """The server does so by itself."""

    init_process = run = accept = handle = handle_request = serves


class SyncWorker(GunicornWorker):
    name_of_class = "gunicorn.workers.sync.SyncWorker"
    run_for_one = run_for_multiple = GunicornWorker.serves

    def wait(self, timeout):
        return []


class ThreadWorker(GunicornWorker):
    name_of_class = "gunicorn.workers.gthread.ThreadWorker"
    nr_conns = 0
    _tpool = _poller = None
    handle_http2 = handle_http2_request = handle_h2c_upgrade = GunicornWorker.serves
    enqueue_req = finish_request = set_accept_enabled = GunicornWorker.serves
    murder_keepalived = murder_pending = wait_for_and_dispatch_events = GunicornWorker.serves
    on_client_socket_readable = on_pending_socket_readable = GunicornWorker.serves

    def __init__(self, *args):
        super().__init__(*args)
        self.worker_connections = self.cfg.worker_connections
        self.max_keepalived = self.worker_connections - self.cfg.threads
        self.keepalived_conns, self.pending_conns = deque(), deque()
        self.method_queue = Deferred()

    def get_thread_pool(self):
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(max_workers=self.cfg.threads)

    @property
    def tpool(self):
        """A pool for what hooks have to do; requests are not run in it."""
        if self._tpool is None and self._entered():
            self._tpool = self.get_thread_pool()
        return self._tpool

    @property
    def poller(self):
        """A selector of its own; connections are not in it."""
        if self._poller is None and self._entered():
            import selectors

            self._poller = selectors.DefaultSelector()
        return self._poller

    @classmethod
    def check_config(cls, cfg, log):
        """The master has checked the settings."""


class GeventWorker(GunicornWorker):
    name_of_class = "gunicorn.workers.ggevent.GeventWorker"

    def __init__(self, *args):
        super().__init__(*args)
        self.worker_connections = self.cfg.worker_connections


class EventletWorker(GeventWorker):
    name_of_class = "gunicorn.workers.geventlet.EventletWorker"


CLASSES = {"sync": SyncWorker, "gthread": ThreadWorker, "gevent": GeventWorker, "eventlet": EventletWorker}


class Deferred:
    """worker.method_queue: what is deferred is done at once."""

    def defer(self, callback, *args):
        callback(*args)
