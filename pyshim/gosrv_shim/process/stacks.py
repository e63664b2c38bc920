"""Python stacks for whoever asks from outside, without the GIL: faulthandler behind a signal."""

import _gosrv

# A signal that nothing else uses; workerctl.StackSignal is the same.
SIGNAL = 63


def answer_with(fd):
    """Whoever sends the signal finds the stacks of all threads in fd, the error log's."""
    try:
        import faulthandler

        faulthandler.register(SIGNAL, file=fd)
    except (ImportError, OSError, RuntimeError, ValueError):
        pass  # the master looks before it sends: there are no stacks then


def keep_for_watchdog():
    """From now on it is the Go side that asks, and puts the stacks into a line of the log."""
    try:
        _gosrv.stacks_open(SIGNAL)
    except (ImportError, OSError, RuntimeError, ValueError):
        pass  # it says that there are none
