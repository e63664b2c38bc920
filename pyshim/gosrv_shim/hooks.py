"""What hooks and applications see as server, worker and cfg (Arbiter, Worker, Config there)."""

import os
import sys

from .loading import conffile
from .process import channel

# How many arguments each hook may take; the settings table has the same numbers.
ARITIES = {"on_starting": (1,), "on_reload": (1,), "when_ready": (1,), "pre_fork": (2,), "post_fork": (2,),
           "post_worker_init": (1,), "worker_int": (1,), "worker_abort": (1,), "pre_exec": (1,),
           "pre_request": (2,), "post_request": (2, 3, 4), "child_exit": (2,), "worker_exit": (2,),
           "nworkers_changed": (3,), "on_exit": (1,)}


def named(settings):
    """The hooks that are set by a dotted path and not as functions."""
    found = {name: imported(name, arities, settings.get(name)) for name, arities in {**ARITIES, "ssl_context": (2,)}.items()}
    return {name: hook for name, hook in found.items() if hook is not None}


def imported(name, arities, path):
    """The function at a dotted path; None for what is no path."""
    if not isinstance(path, str):
        return None
    import importlib

    module, _, function = path.rpartition(".")
    hook = getattr(importlib.import_module(module), function)
    arity = conffile.arity(hook)
    if arity >= 0 and arity not in arities:
        raise conffile.ConfigError("%s = %r: the function takes %d arguments; allowed: %s" % (
            name, path, arity, " to ".join(str(n) for n in sorted({arities[0], arities[-1]}))))
    return hook


class Settings:
    """cfg for the shim: every setting as an attribute, as resolved by the master, hooks as callables. What
    hooks and logger classes see is more (package view), and made only if there are any."""

    def __init__(self, values, hooks, objects):
        self.resolved = dict(values)
        self.hooks = hooks
        self.objects = objects  # the config file's own, where the master knows only a text

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        for own in ("hooks", "objects"):
            if name in self.__dict__[own]:
                return self.__dict__[own][name]
        try:
            return self.__dict__["resolved"][name]
        except KeyError:
            raise AttributeError("No configuration setting for: %s" % name) from None

    @property
    def env(self):
        return dict(pair.split("=", 1) for pair in self.resolved.get("raw_env") or ())

    @property
    def statsd_host(self):
        """A path, or (host, port)."""
        text = self.resolved.get("statsd_host")
        if text is None:
            return None
        if text.startswith("unix:") and not text[len("unix:"):].isdigit():
            return text[len("unix:"):].removeprefix("//")
        text = text.removeprefix("tcp://")
        if text.startswith("["):
            host, _, port = text[1:].partition("]")
            port = port.lstrip(":")
        else:
            host, _, port = text.partition(":")
        return host.lower(), int(port or 8125)

    def draw_lifetime(self):
        """How many requests a worker serves: max_requests with its jitter, sys.maxsize if there is no limit."""
        least, jitter = self.resolved.get("max_requests"), self.resolved.get("max_requests_jitter")
        if not least:
            return sys.maxsize
        return least + int.from_bytes(os.urandom(4), "little") % (jitter + 1) if jitter else least

    @property
    def worker_class_str(self):
        """sync with threads is gthread, as in Gunicorn."""
        name = str(self.resolved.get("worker_class") or "sync")
        return "gthread" if name == "sync" and self.resolved.get("threads", 1) > 1 else name

class Server:
    """The master, as far as the shim needs it; for hooks there is view/server.py."""

    def __init__(self, cfg, log, master_pid, software, app):
        self.cfg, self.log, self.pid, self.app = cfg, log, master_pid, app
        self.software = software  # SERVER_SOFTWARE of environ
        self.proc_name = cfg.resolved.get("proc_name") or cfg.resolved.get("default_proc_name")
        self.num_workers = cfg.resolved.get("workers")
        self.WORKERS = {}

    def lend(self, fds):
        """Duplicates of the listening sockets for the time of a hook: nobody wants them where there is none."""
        channel.close_all(fds)

    def take_back(self):
        """Closes them."""

    def workers_are(self, number):
        self.num_workers = number

    def resize_by(self, resize):
        """Who tells the master that num_workers was set; None: nobody."""


def run(cfg, log, name, *args):
    """Runs one hook if the config has it. A hook that raises is logged and passes on."""
    hook = cfg.hooks.get(name)
    if hook is None:
        return
    try:
        hook(*args)
    except Exception:
        log.exception("Exception in the hook %s", name)
        raise


def possessions():
    """How much this process has that would end with it: threads, descriptors, children.

    A zygote in which on_starting or when_ready left some must live as long as the master.
    """
    import threading

    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        children = 1
    except ChildProcessError:
        children = 0
    return threading.active_count() + len(os.listdir("/proc/self/fd")) + children
