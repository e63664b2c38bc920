"""What the zygote, its workers and a zygote that a worker has forked have in common as processes."""

import _thread
import os
import signal
import sys
import threading
import time

# What the zygote passes over and what a worker begins with, as in a fresh `python`.
FRESH = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGUSR2: signal.SIG_DFL,
    signal.SIGWINCH: signal.SIG_DFL,
}

# Threads are none where gevent or eventlet has put greenlets in their place, which get no turn in a loop that is not
# Python's. What is kept here is there before any code of the user's.
allocate_lock, start_new_thread, Lock = _thread.allocate_lock, _thread.start_new_thread, threading.Lock
stack_size, sleep = _thread.stack_size, time.sleep
LOOPS = allocate_lock()
THREADS_PATCHED = ("The module threading is patched (gevent, eventlet): the %d threads of each worker are real ones all the same, "
           "and each waits by itself. Leave out monkey.patch_all() or the setting threads")

# Python counts on the stack that glibc gives a thread, in bytes. With musl's (Alpine's images ask for 1 MiB) a deep recursion in C, of
# json for one, is a crash before it is a RecursionError.
MUSL = "CS_GNU_LIBC_VERSION" not in os.confstr_names
STACK = 8 << 20


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # closed by the application, or its reader has gone


def threads_patched():
    """Whether threads are none. A debugger that only wants to see each thread begin leaves locks alone."""
    return threading.Lock is not Lock


def start_thread(thread, loop=True):
    """Starts a threading.Thread; where those are none, what it would run, in a nameless thread.

    loop: it runs code of the user's, which may wait in an event loop. Without one it waits by sleep above.
    """
    before = stack_size()
    if MUSL and before == 0:  # else the application has chosen
        stack_size(STACK)
    try:
        if not threads_patched():
            thread.start()
        elif loop:
            start_new_thread(run_with_loop, (thread.run,))
        else:
            start_new_thread(thread.run, ())
    finally:
        stack_size(before)


def run_with_loop(run):
    """Makes the thread's event loop of gevent first, one thread after another: two that make theirs
    at once, when the application first waits in them, wait for each other's imports."""
    gevent = sys.modules.get("gevent")
    if gevent is not None:
        with LOOPS:
            gevent.get_hub()
    run()


def run_for(seconds, function):
    """Runs a function in a thread of its own and waits so long for it."""
    done = allocate_lock()
    done.acquire()

    def run():
        try:
            function()
        finally:
            done.release()

    start_new_thread(run, ())
    done.acquire(True, seconds)


def after_fork():
    """What os.fork does where gevent has patched it: its event loop must not be the parent's."""
    gevent = sys.modules.get("gevent")
    if gevent is not None and threads_patched():
        gevent.reinit()
