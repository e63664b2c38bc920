"""The one place that waits. A test names an event; only its time-out is a duration."""
import time


class TimedOut(AssertionError):
    """The awaited event did not happen in time."""


def wait_for(look, what, timeout=15.0):
    """Call look() until it answers something true, and return that. `what` names the event for the failure message."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimedOut("not seen within %.0f s: %s" % (timeout, what() if callable(what) else what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
