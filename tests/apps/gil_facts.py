"""Whether this Python's GIL is on, and by which word; and a child's."""
import json
import os
import subprocess
import sys
import sysconfig


def application(environ, start_response):
    child = subprocess.run([sys.executable, "-c", "import sys; print(sys._is_gil_enabled())"], stdout=subprocess.PIPE, text=True, check=True).stdout
    facts = {"enabled": sys._is_gil_enabled(), "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")), "xoptions": sys._xoptions,
             "variable": os.environ.get("PYTHON_GIL"), "orig_argv": sys.orig_argv, "child": child.strip() == "True"}
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
