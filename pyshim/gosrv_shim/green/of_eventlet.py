"""eventlet's hub as C uses it, whichever of its hubs that is."""

import _gosrv
import sys
import warnings

from . import stacks


def quietly():
    """The import warns of its own end; the master has said so once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import eventlet

    return eventlet


def patch():
    quietly().monkey_patch()


def after_fork():
    """A new hub: the old one's epoll set is the zygote's, too. Its timers and greenlets are lost with it."""
    if "eventlet.hubs" in sys.modules:
        sys.modules["eventlet.hubs"].use_hub()


class Hub:
    def __init__(self, log):
        quietly()
        from eventlet import hubs
        from eventlet.greenthread import GreenThread
        from greenlet import GreenletExit, getcurrent

        self.log, self.hubs, self.hub, self.main = log, hubs, hubs.get_hub(), getcurrent()
        self.park, self.getcurrent, self.exit_class = self.hub.switch, getcurrent, GreenletExit
        run = _gosrv.run_request
        parent = self.hub.greenlet

        def spawn(place):
            GreenThread(parent).switch(run, (place,), {})

        self.spawn = spawn

    def later(self, function):
        self.hub.schedule_call_global(0, function)

    def finish(self):
        self.hub.schedule_call_global(0, self.main.switch)

    def run(self, fd):
        """The main greenlet waits here for the worker's whole life."""
        import os

        if "asyncio" not in type(self.hub).__module__:
            os.register_at_fork(after_in_child=self.hubs.use_hub)  # its epoll set is the parent's
        listener = self.hub.add(self.hub.READ, fd, lambda fd: _gosrv.pump(), lambda *args: None, lambda: None)
        try:
            self.hub.switch()
        finally:
            self.hub.remove(listener)

    def throw(self, greenlet, leaves):
        """In the hub: ends a greenlet that waits."""
        if leaves:
            greenlet.throw(self.exit_class())
            return
        stacks.tell(self.log, greenlet)
        greenlet.throw(stacks.RequestTimeout())

    def at_request(self):
        """Whether the code that runs is that of a greenlet, not the loop's."""
        return self.getcurrent() not in (self.hub.greenlet, self.main)
