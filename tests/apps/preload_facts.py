"""What an application sees of LD_PRELOAD, and a child of its."""
import ctypes
import json
import os
import subprocess
import sys

CHILD = "import json, os; print(json.dumps([os.environ.get('LD_PRELOAD'), open('/proc/self/maps').read()]))"


def libc_getenv(name):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    value = getenv(name.encode())
    return value.decode() if value is not None else None


def variables(prefix):
    """Of those that the process began with, as the kernel shows them."""
    return [text for text in open("/proc/self/environ").read().split("\0") if text.startswith(prefix)]


def application(environ, start_response):
    child, child_maps = json.loads(subprocess.run([sys.executable, "-S", "-c", CHILD], stdout=subprocess.PIPE, check=True).stdout)
    facts = {
        "environ": os.environ.get("LD_PRELOAD"), "getenv": libc_getenv("LD_PRELOAD"), "child": child, "child_maps": child_maps,
        "initial": [text for text in variables("LD_PRELOAD=") if text != "LD_PRELOAD="], "told": libc_getenv("_GOSRV_ENVIRONMENT"),
        "maps": open("/proc/self/maps").read(), "fds": [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + fd)],
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
