"""gevent's hub as C uses it. Go's epoll set is one descriptor in its loop."""

import _gosrv
import signal
import sys

from . import stacks


def patch():
    from gevent import monkey

    monkey.patch_all()
    mend_handlers()


def mend_handlers():
    """libev and libuv set signal handlers that do not ask for the signal stack, without which a handler may run on the
    small stack of a goroutine. So the loop mends each that it sets. Without effect on a loop that is there already."""
    from gevent import config

    if not issubclass(config.loop, Mending):
        config.loop = type("loop", (Mending, config.loop), {"__module__": config.loop.__module__})


class Mending:
    """Mixed into gevent's class of loops."""

    def install_sigchld(self):
        super().install_sigchld()
        _gosrv.fix_onstack(signal.SIGCHLD)

    def signal(self, signum, ref=True, priority=None):
        watcher = super().signal(signum, ref, priority)
        return mended(type(watcher))(self, signum, ref, priority)


WATCHERS = {}


def mended(plain):
    """A class of signal watchers whose start mends the handler."""
    if plain not in WATCHERS:
        def start(self, callback, *args):
            plain.start(self, callback, *args)
            for number in range(1, signal.NSIG):
                _gosrv.fix_onstack(number)

        WATCHERS[plain] = type(plain.__name__, (plain,), {"start": start})
    return WATCHERS[plain]


def after_fork():
    """Nothing is made where there is no hub."""
    if "gevent" in sys.modules:
        import gevent

        gevent.reinit()


class Hub:
    def __init__(self, log):
        import gevent
        from gevent._waiter import Waiter

        self.log, self.hub, self.main = log, gevent.get_hub(), gevent.getcurrent()
        self.waiter = Waiter(self.hub)
        self.park, self.getcurrent, self.later = self.hub.switch, gevent.getcurrent, self.hub.loop.run_callback
        self.exit_class = gevent.GreenletExit
        if not isinstance(self.hub.loop, Mending):  # of an import in the zygote, or of the config file's
            self.hub.loop.install_sigchld()
        self.spawn = spawner(gevent.Greenlet)

    def finish(self):
        self.waiter.switch(None)

    def run(self, fd):
        """The main greenlet waits here for the worker's whole life."""
        watcher = self.hub.loop.io(fd, 1)
        watcher.start(_gosrv.pump)
        try:
            self.waiter.get()
        finally:
            watcher.stop()
            watcher.close()

    def throw(self, greenlet, leaves):
        """In the hub: ends a greenlet that waits."""
        if leaves:
            greenlet.throw(self.exit_class())
            return
        stacks.tell(self.log, greenlet)
        greenlet.throw(stacks.RequestTimeout())

    def at_request(self):
        """Whether the code that runs is that of a greenlet, not the loop's."""
        return self.getcurrent() not in (self.hub, self.main)


def spawner(greenlet):
    """switch() and not start(), which would wait for the loop's next pass."""
    run = _gosrv.run_request

    class RequestGreenlet(greenlet):
        spawning_stack_limit = 0  # that of the loop, which tells nobody anything, a tenth of what a greenlet costs

    def spawn(place):
        RequestGreenlet(run, place).switch()

    return spawn
