"""Finds the WSGI callable: "module", "module:name" or "module:factory(literal, ...)"; or, with --paste, that of a PasteDeploy file."""

import os
import re
import sys

BOOT_ERROR = 3  # Gunicorn's exit codes: the worker failed to boot,
LOAD_ERROR = 4  # the application was not found


class AppImportError(Exception):
    """The module is there, but no application in it."""


class Application:
    """The one that is served: loaded when it is first asked for."""

    def __init__(self, named):
        self._named = named  # module:callable, or a function that loads
        self.callable = None

    def wsgi(self):
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def load(self):
        return load(self._named)


def load(uri):
    """Imports and returns the application of uri, or has it made by whoever knows how."""
    import importlib

    if callable(uri):
        return uri()

    module_name, colon, target = uri.partition(":")
    target = target if colon else "application"
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        if module_name.endswith(".py") and os.path.exists(module_name):
            raise ImportError("Failed to find application, did you mean '%s:%s'?"  # noqa: B904 - chained as Gunicorn's
                              % (module_name[:-3], target))
        raise
    name, args, kwargs = parse(target)
    try:
        found = getattr(module, name)
    except AttributeError:
        raise AppImportError("Failed to find attribute %r in %r." % (name, module_name)) from None
    if args is not None:
        found = call_factory(found, args, kwargs, target)
    if found is None:
        raise AppImportError("Failed to find application object: %r" % target)
    if not callable(found):
        raise AppImportError("Application object must be callable.")
    return found


def parse(target):
    """(name, None, None) for a name, (name, args, kwargs) for a call with literals."""
    if target.isidentifier():
        return target, None, None
    import ast

    try:
        expression = ast.parse(target, mode="eval").body
    except SyntaxError:
        raise AppImportError(
            "Failed to parse %r as an attribute name or function call." % target) from None
    if not isinstance(expression, ast.Call):
        raise AppImportError("Failed to parse %r as an attribute name or function call." % target)
    if not isinstance(expression.func, ast.Name):
        raise AppImportError("Function reference must be a simple name: %r" % target)
    try:
        args = [ast.literal_eval(a) for a in expression.args]
        kwargs = {k.arg: ast.literal_eval(k.value) for k in expression.keywords}
    except ValueError:
        raise AppImportError("Failed to parse arguments as literal values: %r" % target) from None
    return expression.func.id, args, kwargs


def call_factory(factory, args, kwargs, target):
    try:
        return factory(*args, **kwargs)
    except TypeError as e:
        # Only a call that does not fit the signature is the command line's fault: then
        # the traceback ends in our own frame.
        if sys.exc_info()[2].tb_next is None:
            raise AppImportError("".join((str(e), ": ", target))) from e
        raise


def load_paste(location, pairs):
    """--paste: location is FILE or FILE#SECTION; pairs are the KEY=VALUE texts of --paste-global."""
    try:
        from paste.deploy import loadapp
    except ImportError as e:
        if e.name not in ("paste", "paste.deploy"):
            raise
        raise AppImportError("--paste needs the package PasteDeploy: pip install PasteDeploy") from None
    return loadapp("config:" + location, relative_to=os.getcwd(), global_conf=global_conf(pairs))


def global_conf(pairs):
    """A = in a key or a value is written as \\=."""
    found = {}
    for pair in pairs or ():
        key, value = re.split(r"(?<!\\)=", pair, maxsplit=1)
        found[key.replace("\\=", "=")] = value.replace("\\=", "=")
    return found
