"""One server over several masters: the new one of an upgrade takes over where the old one ends."""
import os
import signal
import subprocess
from pathlib import Path

import harness
import procs
from waiting import wait_for

STUB = harness.ROOT / "pyshim" / "stub" / "gunicorn"


class Succession:
    """A harness.Server whose master is replaced. `pid` is the master that counts now."""

    def __init__(self, server, pidfile=None):
        self.server = server
        self.pid = server.pid
        self.pidfile = Path(pidfile) if pidfile else None

    def begin(self):
        """USR2; returns the new master's pid, once it is there."""
        before = {p.pid for p in procs.children(self.pid)}
        os.kill(self.pid, signal.SIGUSR2)
        return wait_for(lambda: self.masters_below(before), "a new master", 20)

    def masters_below(self, before):
        """The child that is a master: neither a worker nor a zygote nor what was there before."""
        for p in procs.children(self.pid):
            if p.pid not in before and p.title and not p.title.startswith(("gosrv: worker", "gosrv: zygote", "gosrv: seed")) and self.named(p.pid):
                return p.pid
        return None

    def named(self, pid):
        """The new master's own pidfile tells it from a worker of Gunicorn, which has no title of its own."""
        try:
            if self.pidfile is None:
                return "master" in procs.Proc(pid).title
            return Path(str(self.pidfile) + ".2").read_text().strip() == str(pid)
        except (OSError, IndexError):  # not there yet, or gone
            return False

    def recorded(self):
        """What the pidfile says; between two masters there may be none for a moment."""
        try:
            return int(self.pidfile.read_text())
        except FileNotFoundError:
            return None

    def end_old(self, new, sig=signal.SIGTERM):
        """End the master that counted until now; `new` counts from here on."""
        old, self.pid = self.pid, new
        os.kill(old, sig)
        if old == self.server.pid:
            assert self.server.process.wait(20) == 0
        wait_for(lambda: not procs.alive(old), "the end of the old master", 20)

    def stop(self):
        """TERM to the master that counts, and nothing is left."""
        if self.pid == self.server.pid:
            self.server.stop()
            return
        os.kill(self.pid, signal.SIGTERM)
        wait_for(lambda: not procs.alive(self.pid), "the end of the master", 20)
        self.server.stopped = True
        self.server._nothing_left()


def order(*words, timeout=60):
    """gosrv reload|stop|upgrade|status, as an operator types it."""
    return subprocess.run([str(harness.binary()), *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          env=harness.environment("gosrv"), cwd="/")
