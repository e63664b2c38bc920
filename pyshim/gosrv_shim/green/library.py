"""Which package a worker class needs, and since which release, as Gunicorn has it."""

import sys

LEAST = {"gevent": (24, 10, 1), "eventlet": (0, 40, 3), "gevent-websocket": ()}
MODULES = {"gevent-websocket": "geventwebsocket"}
EVENTLET = ("worker_class eventlet: eventlet's authors ask its users to leave it (https://eventlet.readthedocs.io/en/latest/asyncio/migration.html), "
            "and Gunicorn 26 has dropped the class; -k gevent runs the same applications")


class Missing(Exception):
    """The package is not there, or too old; str() says how to get it."""


def need(package, named):
    """Raises Missing. Nothing is imported: an import must not come before the patching."""
    import importlib.util

    where = sys.prefix
    if importlib.util.find_spec(MODULES.get(package, package)) is None:
        raise Missing("worker_class %r needs the package %s in %s: %s" % (named, package, where, install(package)))
    found, least = version(package), LEAST[package]
    if found and least and numbers(found) < least:
        raise Missing("worker_class %r needs %s %s or newer, and %s has %s: %s --upgrade"
                      % (named, package, ".".join(map(str, least)), where, found, install(package)))


def install(package):
    return "%s -m pip install %s" % (sys.executable or "python", package)


def version(package):
    """As the package's metadata has it; "" where it has none."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def numbers(text):
    """The release as numbers: 24.10.1 of 24.10.1rc2."""
    found = []
    for part in text.split("."):
        digits = part[:len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)
