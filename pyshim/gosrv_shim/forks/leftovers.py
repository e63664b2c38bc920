"""Names what importing the application left behind in the zygote, and which module made it.

A fork takes only the forking thread along, and what descriptors refer to is shared by all
workers: threads, sockets and event loops of a preloaded application are broken in each of them,
often silently. While the import runs, a few callables of Python are wrapped to learn who made
what; afterwards they are as before.
"""

import _gosrv
import functools
import gc
import os
import stat
import sys
import threading

SHOWN = 8  # of each kind: a pool of a hundred threads is one mistake
STANDARD = os.path.dirname(os.__file__) + os.sep
INSTEAD = "Make it in post_worker_init of gunicorn.conf.py, or at the first request."
THREADS = ("Preloading left %s behind: %s. The fork takes none along: it runs in no worker, and a lock that it "
           "holds at that moment is never released there. " + INSTEAD +
           " Libraries that start theirs again after a fork need nothing.")
SOCKETS = "Preloading left %s behind: %s. All workers share it, and one gets what is meant for another. " + INSTEAD
LOOPS = "Preloading left %s behind: %s. All workers share its descriptors, and the events of one wake another. " + INSTEAD


class Watch:
    """`with Watch("module:name") as watch:` around the import, then watch.warnings()."""

    def __init__(self, uri):
        self.uri = uri
        self.started = set()  # the tids of threads that Python has started
        self.makers = {}  # ("task", tid) or ("fd", number): who made it, in words
        self.loading = []  # modules that are being executed, innermost last
        self.open = False
        self.patches = []

    def __enter__(self):
        self.before = self.seen = belongings()
        self.loops_before = {id(loop) for loop in event_loops()}
        self.follow_threads()
        self.follow_sockets()
        self.follow_modules()
        self.open = True
        return self

    def __exit__(self, *raised):
        """Who wrapped the same callable meanwhile keeps ours within, where it does nothing."""
        self.open = False
        for owner, name, ours, plain in self.patches:
            if vars(owner).get(name) is ours:
                if plain is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, plain)

    def patch(self, owner, name, ours):
        self.patches.append((owner, name, ours, vars(owner).get(name)))
        setattr(owner, name, ours)

    # --- who makes what -----------------------------------------------------------------

    def follow_threads(self):
        plain = threading.Thread.start

        @functools.wraps(plain)
        def start(thread):
            plain(thread)
            if self.open:
                self.started.add(thread.native_id)
                self.makers["task", thread.native_id] = self.caller()

        self.patch(threading.Thread, "start", start)

    def follow_sockets(self):
        import socket

        plain = socket.socket.__init__

        @functools.wraps(plain)
        def __init__(this, *args, **kwargs):
            plain(this, *args, **kwargs)
            if self.open:
                self.makers["fd", this.fileno()] = self.caller()

        self.patch(socket.socket, "__init__", __init__)

    def follow_modules(self):
        """What C code makes has no caller to be seen: it is the module's that was executed."""
        from importlib import machinery

        for loader, name in (
                (machinery.SourceFileLoader, "exec_module"), (machinery.SourcelessFileLoader, "exec_module"),
                (machinery.ExtensionFileLoader, "create_module"), (machinery.ExtensionFileLoader, "exec_module")):
            self.patch(loader, name, self.attributing(getattr(loader, name)))

    def attributing(self, plain):
        @functools.wraps(plain)
        def load(loader, what):
            if not self.open:
                return plain(loader, what)
            self.attribute()
            self.loading.append("import of %s" % (getattr(what, "__name__", None) or what.name))
            try:
                return plain(loader, what)
            finally:
                self.attribute()
                self.loading.pop()

        # By this name Python knows the frames of importlib, which it leaves out of tracebacks
        # and passes over for the stacklevel of a warning: so ours is not in the way.
        load.__code__ = load.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
        return load

    def attribute(self):
        """Whatever has appeared since the last look belongs to the innermost module."""
        now = belongings()
        if now != self.seen:
            for gone in self.seen - now:
                self.makers.pop(gone, None)
                if gone[0] == "task":
                    self.started.discard(gone[1])
            self.before &= now  # a number that is free may come to mean something else
            for new in now - self.seen:
                self.makers.setdefault(new, self.loading[-1] if self.loading else self.uri)
            self.seen = now

    def caller(self):
        """The innermost module outside the standard library, and the module being imported,
        or the factory being called, on whose behalf it acts."""
        frames, frame = [], sys._getframe(2)
        while frame is not None:
            if not is_standard(frame.f_code.co_filename):
                frames.append(frame)
            frame = frame.f_back
        if not frames:
            return self.loading[-1] if self.loading else self.uri
        behind = next((f for f in frames if f.f_code.co_name == "<module>"), frames[-1])
        said = place(frames[0])
        return said if behind is frames[0] else "%s, called from %s" % (said, place(behind))

    # --- what is left -------------------------------------------------------------------

    def warnings(self):
        """One text for each kind of thing that is still there, none if nothing is."""
        gc.collect()  # what nobody refers to is closed now, as it would be some time
        self.attribute()
        new = self.seen - self.before
        loops = [loop for loop in event_loops() if id(loop) not in self.loops_before]
        own = {fd for loop in loops for fd in descriptors(loop)}
        fds = sorted(fd for kind, fd in new if kind == "fd" and fd not in own and is_open(fd))
        said = [
            warning(THREADS, "a thread", self.threads({tid for kind, tid in new if kind == "task"})),
            warning(SOCKETS, "a socket", ["%s (%s)" % (socket_text(fd), self.makers["fd", fd]) for fd in fds if is_socket(fd)]),
            warning(LOOPS, "an event loop", self.loops(loops, [fd for fd in fds if is_poller(fd)])),
        ]
        return [text for text in said if text]

    def threads(self, tids):
        known = {getattr(thread, "native_id", None): thread.name for thread in threading.enumerate()}  # eventlet's have none
        # Where Python's thread is over, the kernel's may take a moment more: join() does not wait for that.
        foreign = {tid for tid in tids if tid not in known and tid not in self.started}
        if foreign:
            foreign &= outlive_fork()
        texts = ['"%s" (%s)' % (known[tid], self.makers["task", tid]) for tid in sorted(tids - foreign) if tid in known]
        return texts + ["one of C code (%s)" % self.makers["task", tid] for tid in sorted(foreign)]

    def loops(self, loops, pollers):
        """An epoll descriptor is a loop's of which Python knows nothing, but for those of
        loops that do not show theirs."""
        hidden = sum(1 for loop in loops if not descriptors(loop))
        texts = []
        for loop in loops:
            fds = descriptors(loop) or pollers[:1]
            maker = next((self.makers["fd", fd] for fd in fds if ("fd", fd) in self.makers), self.uri)
            texts.append("%s.%s (%s)" % (type(loop).__module__, type(loop).__name__, maker))
        return texts + ["an epoll descriptor (%s)" % self.makers["fd", fd] for fd in pollers[hidden:]]


def warning(text, kind, found):
    if not found:
        return None
    listed = "; ".join(one if len(one) <= 300 else one[:300] + "..." for one in found[:SHOWN])
    if len(found) > SHOWN:
        listed += "; and %d more" % (len(found) - SHOWN)
    return text % (kind if len(found) == 1 else "%d %ss" % (len(found), kind.split(" ", 1)[1]), listed)


def belongings():
    """The threads and descriptors of this process, but for the one by which they are listed."""
    lister = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    os.close(lister)  # the next descriptor that is opened has this number again
    fds = {("fd", int(name)) for name in os.listdir("/proc/self/fd")} - {("fd", lister)}
    return fds.union(("task", int(name)) for name in os.listdir("/proc/self/task"))


def outlive_fork():
    """The threads that a fork leaves alone. Some libraries (OpenBLAS) end theirs before it and
    start them again when needed; so one is tried, without Python's own hooks."""
    _gosrv.fork_on_trial()
    return {tid for kind, tid in belongings() if kind == "task"}


def event_loops():
    """Every loop that is not closed, known to be current somewhere or not."""
    events = sys.modules.get("asyncio.events")
    if events is None:
        return []
    # By type(), since asking a lazy object for its class would make it.
    return [thing for thing in gc.get_objects()
            if issubclass(type(thing), events.AbstractEventLoop) and not thing.is_closed()]


def descriptors(loop):
    """Those of asyncio's own loops; others do not show theirs."""
    ends = (getattr(loop, name, None) for name in ("_ssock", "_csock", "_selector"))
    return [end.fileno() for end in ends if hasattr(end, "fileno") and end.fileno() >= 0]


def is_open(fd):
    """Looking at loops may have closed it since it was seen: gevent closes what nobody refers to when its loop is made."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def is_socket(fd):
    return stat.S_ISSOCK(os.fstat(fd).st_mode)


def is_poller(fd):
    return os.readlink("/proc/self/fd/%d" % fd) in ("anon_inode:[eventpoll]", "anon_inode:[io_uring]")


def socket_text(fd):
    """Its two ends."""
    import _socket  # the module socket may have been replaced by the application

    copy = _socket.socket(fileno=os.dup(fd))
    try:
        if copy.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
            return "listening at %s" % address_text(copy.getsockname())
        ends = address_text(copy.getsockname())
        try:
            return "%s to %s" % (ends, address_text(copy.getpeername()))
        except OSError:
            return "%s, not connected" % ends
    finally:
        copy.close()


def address_text(address):
    if isinstance(address, tuple) and len(address) >= 2:
        return ("[%s]:%s" if ":" in str(address[0]) else "%s:%s") % address[:2]
    if isinstance(address, bytes):
        address = "@" + address[1:].decode(errors="replace")
    return "unix:%s" % address if isinstance(address, str) else str(address)


def is_standard(path):
    """Whether a source file is Python's own, or the shim's."""
    if path.startswith(STANDARD):
        return not path[len(STANDARD):].startswith(("site-packages", "dist-packages"))
    return path.startswith(("<frozen", "<gosrv>"))


def place(frame):
    return "%s, line %d" % (frame.f_globals.get("__name__"), frame.f_lineno)
