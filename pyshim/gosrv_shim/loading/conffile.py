"""Evaluates gunicorn.conf.py, found and run by Gunicorn's rules (app/base.py there)."""

import os
import sys

DEFAULT = "./gunicorn.conf.py"


class ConfigError(Exception):
    """The user's config cannot be used; str() is the message for the log."""


def load(path, explicit):
    """The file's globals and the path that was read, ({}, None) if there is no file: explicit
    without a path says that the user has another kind of file.

    An exception of the file itself passes through, with its own traceback.
    """
    if explicit and path is None:
        return {}, None
    if not explicit:
        path = path or DEFAULT
        if not os.path.exists(path):
            return {}, None
    if path.startswith("python:"):
        return load_module(path[len("python:"):]), path
    if path.startswith("file:"):
        path = path[len("file:"):]
    return load_file(path), path


def load_module(name):
    import importlib

    return vars(importlib.import_module(name))


def load_file(path):
    import importlib.machinery
    import importlib.util

    if not os.path.exists(path):
        raise ConfigError("%r doesn't exist" % path)
    loader = importlib.machinery.SourceFileLoader("__config__", os.path.abspath(path))
    spec = importlib.util.spec_from_file_location("__config__", os.path.abspath(path), loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    spec.loader.exec_module(module)
    return vars(module)


def split(values):
    """Plain values for the master, and the callables, which stay here: (settings, arities)."""
    settings, arities = {}, {}
    # gunicorn.SERVER = "..." is how Gunicorn's users change the header Server.
    server = getattr(sys.modules.get("gunicorn"), "SERVER", "gunicorn")
    if server != "gunicorn":
        settings["server_header"] = plain(server)
    for name, value in values.items():
        if name.startswith("_") or name != name.lower() or isinstance(value, type(os)):
            continue
        if isinstance(value, type):
            settings[name] = class_name(name, value)
        elif callable(value):
            arities[name] = arity(value)
        else:
            settings[name] = plain(value)
    return settings, arities


def class_name(setting, value):
    """Its dotted path; of a worker class of the user's own what it is made of, too, which decides what to use instead."""
    path = "%s.%s" % (value.__module__, value.__qualname__)
    if setting == "worker_class":
        for base in value.__mro__[1:]:
            if base.__name__ in ("GeventWorker", "EventletWorker") and not path.startswith("gunicorn.workers."):
                return "%s, a subclass of %s.%s" % (path, base.__module__, base.__name__)
    return path


def arity(function):
    """How many arguments a hook takes; -1 when it cannot be told."""
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & 0x0C and not hasattr(function, "__self__"):
        return code.co_argcount
    import inspect

    try:
        return len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return -1


def plain(value):
    """value as JSON can carry it; other objects as {"__repr__": text}."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return {"__repr__": repr(value)}
