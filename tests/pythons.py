"""The CPythons of this machine, and cached virtual environments for them.

Nothing is assumed about where a Python lies: pyenv is asked for its root, and PATH is searched.
"""
import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CACHE = TESTS / ".cache"
SUPPORTED = [(3, minor) for minor in range(9, 16)]
ASK = """
import json, os, sys, sysconfig
with open("/proc/self/maps") as maps:
    runs_by_library = "/libpython" in maps.read()
get = sysconfig.get_config_var
library = os.path.join(get("LIBDIR") or "", get("INSTSONAME") or "")
print(json.dumps({"version": list(sys.version_info[:3]), "executable": sys.executable, "prefix": sys.base_prefix,
    "library": library if get("Py_ENABLE_SHARED") and os.path.exists(library) else None,
    "static": not runs_by_library, "debug": hasattr(sys, "gettotalrefcount"), "text": sys.version, "implementation": sys.implementation.name}))
"""


class Python:
    """One interpreter, as it described itself when asked."""

    def __init__(self, facts):
        self.version = tuple(facts["version"])
        self.minor = self.version[:2]
        self.executable = facts["executable"]
        self.library = facts["library"]  # path of the shared libpython, or None
        self.static = facts["static"]  # runs without a libpython, whether one lies about or not
        self.debug = facts["debug"]
        self.prefix = facts["prefix"]
        self.text = facts["text"]
        self.cpython = facts["implementation"] == "cpython"

    def __str__(self):
        return "%d.%d.%d%s%s" % (*self.version, "d" if self.debug else "", "-static" if self.static else "")


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
    """Every supported CPython that runs by a shared library, one for each minor version, lowest first."""
    found = {}
    for path in candidates():
        python = ask(path)
        if python and python.cpython and python.library and not python.static and not python.debug and python.minor in SUPPORTED:
            found.setdefault(python.minor, python)
    return [found[minor] for minor in sorted(found)]


def static():
    """The supported CPythons that have no libpython.so or do not run by it: the system's, and a 3.14 if it was fetched."""
    found = [ask(path) for path in ["/usr/bin/python3", *sorted(CACHE.glob("cpython-3.*/bin/python3"))]]
    return [python for python in found if python and python.cpython and python.static and not python.debug and python.minor in SUPPORTED]


# CPython 3.14 as python-build-standalone makes it, inside a Go module: the files of one machine in a folder, some gzipped.
STANDALONE = "github.com/kluctl/go-embed-python@v0.0.0-3.14.6-20260610-1"


def fetch_standalone():
    """Unpack that CPython into the cache, once. False where the module cannot be fetched."""
    home = CACHE / "cpython-3.14.6"
    if (home / "complete").exists():
        return True
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "go.mod").write_text("module fetch\n")
        done = subprocess.run(["go", "mod", "download", "-json", STANDALONE], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr)
        return False
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    data = Path(json.loads(done.stdout)["Dir"], "python", "internal", "data", "linux-" + machine)
    shutil.rmtree(home, ignore_errors=True)
    for entry in json.loads((data / "files.json").read_text())["files"]:
        unpack(data, home, entry)
    (home / "complete").touch()
    return True


def unpack(data, home, entry):
    """One file of the standalone CPython: {name, perm, symlink or compressed or neither}; a folder has Go's bit for it."""
    target = home / entry["name"]
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.get("symlink"):
        target.symlink_to(entry["symlink"])
    elif entry["perm"] >> 31:
        target.mkdir(exist_ok=True)
    elif entry.get("compressed"):
        target.write_bytes(gzip.decompress((data / (entry["name"] + ".gz")).read_bytes()))
        target.chmod(entry["perm"] & 0o777)
    else:
        shutil.copy(data / entry["name"], target)
        target.chmod(entry["perm"] & 0o777)


def default():
    """The Python that `python3` means here, or the newest one with a shared library when that has none."""
    here = ask(shutil.which("python3") or sys.executable)
    if here and here.library and here.minor in SUPPORTED:
        return here
    others = discover()
    if not others:
        sys.exit("no CPython 3.9 to 3.15 with a shared library found; install one, for example Debian's libpython3.11 with pyenv's --enable-shared build")
    return others[-1]


def key(text):
    """A short name for what is made from that text."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@contextlib.contextmanager
def locked(name):
    """One process at a time makes what has that name in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / (name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv(python, *requirements, installer=None, name="venv"):
    """The path of a virtual environment of `python` that holds the requirement files; made once, then found again.

    installer: another python whose pip is used; Debian's own has none unless a further package is there.
    """
    text = "".join(path.read_text() for path in requirements)
    home = CACHE / ("%s-%s-%s" % (name, python, key(python.text + python.executable + text)))
    with locked(home.name):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            print("making a virtual environment for Python %s" % python, flush=True)
            listed = [arg for path in requirements for arg in ("-r", str(path))]
            pip = ["-m", "pip", "--disable-pip-version-check"]
            install = ["install", "--quiet", *listed]
            if installer is None:
                subprocess.run([python.executable, "-m", "venv", str(home)], check=True)
                subprocess.run([str(home / "bin" / "python"), *pip, *install], check=True)
            else:
                subprocess.run([python.executable, "-m", "venv", "--without-pip", str(home)], check=True)
                subprocess.run([str(installer), *pip, "--python", str(home / "bin" / "python"), *install], check=True)
            (home / "complete").touch()
    return home
