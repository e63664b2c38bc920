"""--refork-after: a worker that has served for a while forks a zygote, in which the application is
warm; C goes on there as another copy of itself (cgo/process_refork.c)."""

import gc
import os
import sys
import threading

from .. import process
from ..process import channel, stacks
from . import leftovers


def sockets():
    """{what /proc calls it: descriptor} of this process."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if target.startswith("socket:"):
            found[target] = int(name)
    return found


def before(worker):
    """In the worker that has nothing more to serve. What it has buffered must not be written twice,
    and a database connection of Django's must not have several users."""
    worker.lost = sorted(t.name for t in set(threading.enumerate()) - worker.renewed
                         if not isinstance(t, threading._DummyThread))  # a raw one that has logged
    database = sys.modules.get("django.db")
    if database is not None:
        try:
            database.connections.close_all()
        except Exception:
            worker.log.exception("Cannot close Django's database connections before the fork of a zygote")
    process.flush()


def continue_as_zygote(worker, module, control_fd):
    """In the child, where at-fork hooks have been run. Returns in the workers that it forks, as
    zygote.main does. module is _gosrv of the copy that goes on; the other one does nothing more."""
    sys.modules["_gosrv"] = module
    for name, part in list(sys.modules.items()):
        if name.startswith("gosrv_shim.") and hasattr(part, "_gosrv"):
            part._gosrv = module
    module.end_with_master(control_fd)
    module.pass_over_signals()
    worker.retire()
    new_zygote = worker.zygote
    warnings = shared(worker, control_fd)
    new_zygote.control = channel.Channel(control_fd)
    new_zygote.preloaded, new_zygote.unannounced = True, {}
    new_zygote.server.app.callable = worker.wsgi
    new_zygote.server.resize_by(new_zygote.resize)
    new_zygote.server.WORKERS.clear()
    stacks.answer_with(new_zygote.errors.fd)
    new_zygote.entitle()
    del worker
    gc.collect()
    gc.freeze()
    module.fill_holes()
    process.flush()
    new_zygote.configured(warnings)
    new_zygote.serve()


def shared(worker, control_fd):
    """What the application has begun while it served and that does not survive a fork, as lines."""
    lines = []
    if worker.lost:
        lines.append("refork_after: later workers are without these threads of the worker that is their model: %s. Start such "
                     "threads in the hook post_fork, or when a process first needs them" % ", ".join(worker.lost))
    found = sorted(leftovers.socket_text(fd) for key, fd in sockets().items()
                   if key not in worker.sockets_at_fork and fd != control_fd)
    if found:
        lines.append("refork_after: later workers share these connections of the worker that is their model, and garble what is "
                     "said there: %s. Close them when a request ends, or open new ones in the hook post_fork" % ", ".join(found))
    return lines
