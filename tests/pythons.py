"""The CPythons of this machine, and cached virtual environments for them.

Nothing is assumed about where a Python lies: pyenv is asked for its root, and PATH is searched.
"""
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CACHE = TESTS / ".cache"
SUPPORTED = [(3, minor) for minor in range(9, 15)]
ASK = """
import json, os, sys, sysconfig
get = sysconfig.get_config_var
library = os.path.join(get("LIBDIR") or "", get("INSTSONAME") or "")
print(json.dumps({"version": list(sys.version_info[:3]), "executable": sys.executable, "prefix": sys.base_prefix,
    "library": library if get("Py_ENABLE_SHARED") and os.path.exists(library) else None,
    "debug": hasattr(sys, "gettotalrefcount"), "text": sys.version, "implementation": sys.implementation.name}))
"""


class Python:
    """One interpreter, as it described itself when asked."""

    def __init__(self, facts):
        self.version = tuple(facts["version"])
        self.minor = self.version[:2]
        self.executable = facts["executable"]
        self.library = facts["library"]  # path of the shared libpython, or None
        self.debug = facts["debug"]
        self.prefix = facts["prefix"]
        self.text = facts["text"]
        self.cpython = facts["implementation"] == "cpython"

    def __str__(self):
        return "%d.%d.%d%s" % (*self.version, "d" if self.debug else "")


def ask(path):
    """Ask an executable what it is; None when it does not answer as a Python."""
    try:
        done = subprocess.run([str(path), "-I", "-c", ASK], capture_output=True, text=True, timeout=20)
        return Python(json.loads(done.stdout)) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def candidates():
    roots = [os.environ.get("PYENV_ROOT")]
    if shutil.which("pyenv"):
        roots.append(subprocess.run(["pyenv", "root"], capture_output=True, text=True).stdout.strip())
    for root in filter(None, roots):
        yield from sorted(Path(root).glob("versions/*/bin/python3"))
    for minor in SUPPORTED:
        name = "python%d.%d" % minor
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            if (Path(folder) / name).exists():
                yield Path(folder) / name


def discover():
    """Every supported CPython with a shared library, one for each minor version, lowest first."""
    found = {}
    for path in candidates():
        python = ask(path)
        if python and python.cpython and python.library and not python.debug and python.minor in SUPPORTED:
            found.setdefault(python.minor, python)
    return [found[minor] for minor in sorted(found)]


def default():
    """The Python that `python3` means here, or the newest one with a shared library when that has none."""
    here = ask(shutil.which("python3") or sys.executable)
    if here and here.library and here.minor in SUPPORTED:
        return here
    others = discover()
    if not others:
        sys.exit("no CPython 3.9 to 3.14 with a shared library found; install one, for example Debian's libpython3.11 with pyenv's --enable-shared build")
    return others[-1]


def venv(python, *requirements):
    """The path of a virtual environment of `python` that holds the requirement files; made once, then found again."""
    text = "".join(path.read_text() for path in requirements)
    key = hashlib.sha256((python.text + python.executable + text).encode()).hexdigest()[:10]
    home = CACHE / ("venv-%s-%s" % (python, key))
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / (home.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            print("making a virtual environment for Python %s" % python, flush=True)
            subprocess.run([python.executable, "-m", "venv", str(home)], check=True)
            listed = [arg for path in requirements for arg in ("-r", str(path))]
            subprocess.run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *listed], check=True)
            (home / "complete").touch()
    return home
