"""The end of a request's greenlet from outside: why, where it stands, and the exception that tells it."""

import traceback


class RequestTimeout(BaseException):
    """The request has run for longer than request_timeout; its client has been answered. No Exception, so that an
    application that catches those comes to its end."""


def tell(log, greenlet):
    """Where a greenlet stands that is thrown out."""
    frame = greenlet.gr_frame
    if frame is not None:
        log.critical("Python stack of the request's greenlet:\n%s", "".join(traceback.format_stack(frame)).rstrip())
