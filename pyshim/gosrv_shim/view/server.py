"""server as hooks see it: gunicorn.arbiter.Arbiter by its names (Gunicorn 27).

The master is another process. What would act on it is asked of it by the signal that means the same; what it
does by itself, such as reaping its children, does nothing here.
"""

import errno
import os
import queue
import signal
import sys

from .. import hooks
from . import sockets


class Signals(queue.SimpleQueue):
    """SIG_QUEUE: what is put into it goes to the master."""

    def __init__(self, master):
        super().__init__()
        self.master = master

    def put(self, sig, block=True, timeout=None):
        if sig != Arbiter.WAKEUP_REQUEST:
            os.kill(self.master, sig)

    def put_nowait(self, sig):
        self.put(sig)


class Pidfile:
    """The file is the master's to make and to remove."""

    def __init__(self, fname, pid):
        self.fname, self.pid = fname, pid

    def validate(self):
        """The process that it names, if that is alive."""
        try:
            with open(self.fname) as file:
                pid = int(file.read())
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except (OSError, ValueError):
            return None
        return pid

    def create(self, pid):
        """It is there."""

    def rename(self, path):
        """The master gives it its other name after an upgrade."""

    def unlink(self):
        """The master removes it at its end."""


class Arbiter(hooks.Server):
    WORKER_BOOT_ERROR, APP_LOAD_ERROR = 3, 4
    WAKEUP_REQUEST = int(signal.NSIG)
    SIGNALS = [getattr(signal, "SIG" + name) for name in "HUP QUIT INT TERM TTIN TTOU USR1 USR2 WINCH".split()]
    SIG_NAMES = {getattr(signal, name): name[3:].lower() for name in dir(signal)
                 if name.startswith("SIG") and not name.startswith("SIG_")}
    LISTENERS = sockets.Listeners()
    dirty_arbiter_pid, dirty_arbiter, dirty_pidfile = 0, None, None  # Gunicorn's experiment: not here

    def __init__(self, cfg, log, message, app):
        self._resize, self._num_workers = None, 0
        super().__init__(cfg, log, message["master_pid"], message["software"], app)
        self.SIG_QUEUE = Signals(self.pid)
        self.LISTENERS = sockets.Listeners()
        self.worker_age = self.reexec_pid = 0
        self.systemd, self.master_pid = message["systemd"], message["parent"]
        self.master_name = "Master.2" if self.master_pid else "Master"
        self.proc_name += ".2" if self.master_pid else ""
        self.address, self.timeout = cfg.address, cfg.timeout
        self.START_CTX = {"args": [sys.executable, *sys.argv], "cwd": os.getcwd(), 0: sys.executable}

    def lend(self, fds):
        self.LISTENERS.lend(fds, self.cfg, self.log)

    def take_back(self):
        self.LISTENERS.take_back()

    def workers_are(self, number):
        self._num_workers = number

    def resize_by(self, resize):
        self._resize = resize

    @property
    def worker_class(self):
        return self.cfg.worker_class

    @property
    def pidfile(self):
        named = self.cfg.resolved.get("pidfile")
        return Pidfile(named + (".2" if self.master_pid else ""), self.pid) if named else None

    @property
    def num_workers(self):
        return self._num_workers

    @num_workers.setter
    def num_workers(self, number):
        changed, self._num_workers = number != self._num_workers, number
        if changed and self._resize is not None:
            self._resize(number)

    # --- what reaches the master ------------------------------------------------------

    def signal(self, sig, frame=None):
        os.kill(self.pid, sig)

    def handle_hup(self):
        self.signal(signal.SIGHUP)

    reload = handle_hup

    def handle_term(self):
        self.signal(signal.SIGTERM)

    def handle_int(self):
        self.signal(signal.SIGINT)

    def handle_quit(self):
        self.signal(signal.SIGQUIT)

    def handle_ttin(self):
        self.signal(signal.SIGTTIN)

    spawn_worker = handle_ttin

    def handle_ttou(self):
        self.signal(signal.SIGTTOU)

    def handle_usr1(self):
        self.signal(signal.SIGUSR1)

    def handle_usr2(self):
        self.signal(signal.SIGUSR2)

    reexec = handle_usr2

    def handle_winch(self):
        self.signal(signal.SIGWINCH)

    def stop(self, graceful=True):
        """The workers end, and with them the server."""
        self.signal(signal.SIGTERM if graceful else signal.SIGQUIT)

    def halt(self, reason=None, exit_status=0):
        if reason is not None:
            (self.log.error if exit_status else self.log.info)("Reason: %s", reason)
        self.stop()

    def kill_worker(self, pid, sig):
        try:
            os.kill(pid, sig)
        except OSError as e:
            if e.errno != errno.ESRCH:
                raise
            self.WORKERS.pop(pid, None)

    def kill_workers(self, sig):
        for pid in list(self.WORKERS):
            self.kill_worker(pid, sig)

    # --- what the master does by itself -----------------------------------------------

    def manage_workers(self):
        """There are always as many as num_workers says."""

    start = run = init_signals = spawn_workers = reap_workers = murder_workers = manage_workers
    handle_chld = handle_cld = wakeup = maybe_promote_master = manage_workers

    def setup(self, app):
        """A reload makes another server object."""

    def signal_chld(self, sig=None, frame=None):
        """The master waits for its children."""

    def wait_for_signals(self, timeout=1.0):
        return []

    def spawn_dirty_arbiter(self):
        """There is none."""

    manage_dirty_arbiter = reap_dirty_arbiter = spawn_dirty_arbiter

    def kill_dirty_arbiter(self, sig):
        """There is none."""

    def handle_dirty_arbiter_exit(self, wpid, status):
        """There is none."""
