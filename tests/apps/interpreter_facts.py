"""What an application can see of its interpreter, as one dict.

`python -c "import interpreter_facts as f; f.show()"` prints the same dict, so that a test can compare the two.
"""
import json
import locale
import os
import site
import sys
import sysconfig
import threading


def facts():
    flags = {name: getattr(sys.flags, name) for name in dir(sys.flags) if not name.startswith(("_", "n_")) and name not in ("count", "index")}
    return {
        "version": sys.version,
        "flags": flags,
        "path": sys.path,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None),
        "platlibdir": getattr(sys, "platlibdir", None),
        "byteorder": sys.byteorder,
        "fs_encoding": sys.getfilesystemencoding(),
        "fs_errors": sys.getfilesystemencodeerrors(),
        "default_encoding": sys.getdefaultencoding(),
        "stdout_encoding": sys.stdout.encoding,
        "stdout_errors": sys.stdout.errors,
        "stderr_encoding": sys.stderr.encoding,
        "stderr_errors": sys.stderr.errors,
        "preferred_encoding": locale.getpreferredencoding(False),
        "lc_ctype": locale.setlocale(locale.LC_CTYPE, None),
        "lc_ctype_env": os.environ.get("LC_CTYPE"),
        "lc_numeric": locale.setlocale(locale.LC_NUMERIC, None),
        "warnoptions": sys.warnoptions,
        "xoptions": {k: v for k, v in sys._xoptions.items()},
        "dont_write_bytecode": sys.dont_write_bytecode,
        "pycache_prefix": sys.pycache_prefix,
        "hash_seed_env": os.environ.get("PYTHONHASHSEED"),
        "user_site": site.ENABLE_USER_SITE,
        "site_module": "site" in sys.modules,
        "purelib": sysconfig.get_paths()["purelib"],
        "hexversion": sys.hexversion,
        "recursion_limit": sys.getrecursionlimit(),
        "switch_interval": sys.getswitchinterval(),
        "main_thread_is_process": threading.get_native_id() == os.getpid() and threading.current_thread() is threading.main_thread(),
        "timer_slack": open("/proc/%d/timerslack_ns" % threading.get_native_id()).read(),  # how exact a sleep is
        "main_module": sys.modules["__main__"].__name__,
        "stdin": sys.stdin is not None,
        "getenv_gosrv": sorted(k for k in os.environ if k.startswith("_GOSRV")),
    }


def show():
    print(json.dumps(facts()))


def application(environ, start_response):
    body = json.dumps(facts()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
