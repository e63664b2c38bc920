"""What an application could notice of being served by a python that has loaded the server."""
import json
import os
import sys


def fds():
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink("/proc/self/fd/" + fd))
        except OSError:
            pass  # the one that lists
    return names


def reloaded():
    """Another library from a memory file with the same number must not be taken for ours."""
    try:
        import _imp
        from importlib.machinery import ModuleSpec

        _imp.create_dynamic(ModuleSpec("_gosrv_other", None, origin="/proc/self/fd/5"))
    except ImportError as error:
        return "PyInit__gosrv_other" not in str(error)
    return False


def application(environ, start_response):
    import __main__

    facts = {
        "main": sorted(name for name in vars(__main__) if not name.startswith("__")),
        "orig_argv": list(getattr(sys, "orig_argv", [])),
        "path": sys.path,
        "ctypes": "ctypes" in sys.modules,
        "environment": [name for name in os.environ if "GOSRV" in name and name != "GOSRV_PYTHON"],
        "fds": fds(),
        "reloaded": reloaded(),
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
