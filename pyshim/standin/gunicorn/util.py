"""What programs and config files use of gunicorn.util."""

import importlib
import os

from gunicorn.errors import AppImportError


def import_app(module):
    """The application named by module, module:name or module:factory(literals)."""
    import sys

    shim = sys.modules.get("gosrv_shim.loading.application")
    if shim is None:
        raise AppImportError("%s can be imported by gosrv only" % module)
    return shim.load(module)


def load_class(uri, default="gunicorn.workers.sync.SyncWorker", section="gunicorn.workers"):
    """The class at a dotted path; a class comes back as it is."""
    if isinstance(uri, type):
        return uri
    from .workers import SUPPORTED_WORKERS

    name = SUPPORTED_WORKERS.get(uri, uri or default)
    module, _, attribute = name.rpartition(".")
    if not module:
        raise RuntimeError("class uri %r invalid or not found" % uri)
    return getattr(importlib.import_module(module), attribute)


def parse_address(netloc, default_port="8000"):
    """unix:PATH, fd://N, HOST, HOST:PORT or [IPV6]:PORT as a path, a number or a pair."""
    if netloc.startswith("unix:"):
        path = netloc[len("unix:"):]
        return path[2:] if path.startswith("//") else path
    if netloc.startswith("fd://"):
        return int(netloc[len("fd://"):])
    netloc = netloc[len("tcp://"):] if netloc.startswith("tcp://") else netloc
    if netloc.startswith("["):
        host, _, port = netloc[1:].partition("]")
        port = port[1:]
    else:
        host, _, port = netloc.partition(":")
    try:
        return host.lower() or "0.0.0.0", int(port or default_port)
    except ValueError:
        raise RuntimeError("%r is not a valid port number." % port) from None


def is_ipv6(addr):
    import socket

    try:
        socket.inet_pton(socket.AF_INET6, addr)
    except OSError:
        return False
    return True


def bytes_to_str(text):
    return text if isinstance(text, str) else text.decode("latin1")


def to_bytestring(value, encoding="utf8"):
    return value if isinstance(value, bytes) else value.encode(encoding)


def getcwd():
    """The working directory by the name the shell gave it, if that is the same one."""
    named, real = os.environ.get("PWD"), os.getcwd()
    return named if named and os.path.isdir(named) and os.path.samefile(named, real) else real
