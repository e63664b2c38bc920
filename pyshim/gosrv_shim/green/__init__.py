"""Worker classes gevent and eventlet: an event loop of theirs has the main thread, and each request runs in a greenlet.

    library     which package a class needs, and what to say where it is missing
    of_gevent   gevent's loop as C uses it (cgo/green.h, hub_calls)
    of_eventlet eventlet's
    websocket   what gevent-websocket puts into environ
"""

from . import library

CLASSES = ("gevent", "eventlet")


def named(cfg):
    """The class's module of this package; None for the other classes."""
    name = cfg.resolved.get("worker_class")
    if name not in CLASSES:
        return None
    if name == "gevent":
        from . import of_gevent

        return of_gevent
    from . import of_eventlet

    return of_eventlet


def check(cfg):
    """Raises library.Missing where the package of the class, or of its environ, cannot be imported. Imports nothing."""
    name = cfg.resolved.get("worker_class")
    if name in CLASSES:
        library.need(name, named_by(cfg))
    if variant(cfg) == "websocket":
        library.need("gevent-websocket", named_by(cfg))


def named_by(cfg):
    return cfg.resolved.get("worker_class_named") or cfg.resolved.get("worker_class")


def variant(cfg):
    """What the name that the user gave adds to environ: "pywsgi", "websocket", or nothing."""
    return cfg.resolved.get("worker_class_variant") or ""


def patch(cfg):
    """The library's own patching of the standard library; once is enough, twice does no harm."""
    library = named(cfg)
    if library is not None:
        library.patch()


def make(cfg, log):
    """The event loop of a worker whose application is imported; None for the other classes."""
    library = named(cfg)
    return library and library.Hub(log)


def after_fork(cfg):
    """In the worker, before anything of the user's: what an import in the zygote has made of the loop is the parent's.
    False: the class has no loop."""
    library = named(cfg)
    if library is not None:
        library.after_fork()
    return library is not None


def complete(cfg, application):
    """The application as environ's additions want it."""
    added = variant(cfg)
    if added == "pywsgi":
        return with_sock(application)
    if added == "websocket":
        try:
            from . import websocket
        except ImportError as e:
            raise library.Missing("worker_class %r needs the package gevent-websocket: %s (%s)"
                                  % (named_by(cfg), library.install("gevent-websocket"), e)) from e

        return websocket.serving(application)
    return application


def with_sock(application):
    """gunicorn.sock, by which gevent.pywsgi's handler names the connection in Gunicorn."""

    def with_gunicorn_sock(environ, start_response):
        environ["gunicorn.sock"] = environ["gunicorn.socket"]
        return application(environ, start_response)

    return with_gunicorn_sock
