"""--program: a program that makes its own server of gunicorn.app.base.BaseApplication.

The program runs in the zygote, up to the run() of its application. There the stand-in calls
take_over(), which unwinds the program: what it has imported and made stays, and workers are
forked with it. The real Gunicorn's modules are left aside, or its own arbiter would start.
"""

import os
import sys

import gosrv_shim

application = None  # whose run() was called
running = False     # the program is on its way there


class TakenOver(BaseException):
    """Ends the program. No `except Exception` of it is to stop this."""


class Unusable(Exception):
    """The program cannot be served; str() is the message for the user."""


def take_over(app):
    """run() of the stand-in's BaseApplication. It does not return."""
    global application
    if not running:
        raise RuntimeError("gosrv is serving already: run() is for programs that are started by"
                           " gosrv --program FILE, once in each")
    application = app
    raise TakenOver


def load(location, argv, defaults):
    """Runs the program and gives the settings it has made."""
    sys.meta_path.remove(gosrv_shim.stand_in)
    sys.meta_path.insert(0, gosrv_shim.stand_in)
    for name in [name for name in sys.modules if name.partition(".")[0] == "gunicorn"]:
        del sys.modules[name]
    global running
    import gunicorn.config

    gunicorn.config.DEFAULTS.update(defaults)
    code, module = find(location)
    sys.argv = [module.__file__] + argv[1:]
    sys.modules["__main__"] = module
    running = True
    try:
        exec(code, vars(module))
    except TakenOver:
        return application.cfg.said()
    finally:
        running = False
    raise Unusable("%s ended without a call of run() of its application; to serve a WSGI callable, name it"
                   " instead: gosrv MODULE:NAME" % location)


def find(location):
    """(code, module) as `python location` or `python -m module` would find them."""
    import importlib.util
    from importlib.machinery import SourceFileLoader
    from types import ModuleType

    module = ModuleType("__main__")
    module.__builtins__ = __builtins__
    if location.startswith("python:"):
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        name = location[len("python:"):]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
        if spec is None or spec.origin is None or not hasattr(spec.loader, "get_code"):
            raise Unusable("no module %s to run" % name)
        module.__spec__, module.__package__ = spec, spec.parent
        module.__file__, module.__loader__ = spec.origin, spec.loader
        return spec.loader.get_code(spec.name), module
    if not os.path.isfile(location):
        raise Unusable("%r doesn't exist" % location)
    path = os.path.abspath(location)
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    module.__file__, module.__loader__ = location, SourceFileLoader("__main__", path)
    return module.__loader__.get_code("__main__"), module


def adopt(settings):
    """Shows the program's own cfg what the settings came out as."""
    for name, value in settings.items():
        if name in application.cfg.settings:
            application.cfg.settings[name].value = value
