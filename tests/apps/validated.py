"""Any other application of this directory inside wsgiref.validate: /module/attribute/path.

What the validator objects to is an AssertionError in the log, and a 500 for the client.
"""
import importlib
from wsgiref.validate import validator

made = {}


def application(environ, start_response):
    _, module, name, path = (environ["PATH_INFO"] + "///").split("/", 3)
    if not name:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ready"]
    if (module, name) not in made:
        made[module, name] = validator(getattr(importlib.import_module(module), name))
    environ["SCRIPT_NAME"] = "/%s/%s" % (module, name)
    environ["PATH_INFO"] = "/" + path.rstrip("/")
    return made[module, name](environ, start_response)
