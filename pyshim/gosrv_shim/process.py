"""What the zygote, its workers and a zygote that a worker has forked have in common as processes."""

import signal
import sys

# What the zygote ignored and what a worker begins with, as in a fresh `python`.
FRESH = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGUSR2: signal.SIG_DFL,
    signal.SIGWINCH: signal.SIG_IGN,
}


def ignore_group_signals():
    for number in FRESH:
        signal.signal(number, signal.SIG_IGN)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # closed by the application, or its reader has gone
