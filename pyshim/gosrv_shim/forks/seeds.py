"""Whether a copy of the interpreter, made before anything of the user's ran in it, may stand in for a
new one at the next reload: only as long as a new one would come out the same."""

import importlib
import os
import sys
from importlib.machinery import PathFinder

# A file that was changed so long before the interpreter started may have a later time on it: the
# kernel's clock for files is coarse.
COARSE = 50_000_000  # ns


class Seed:
    """What the interpreter came out of, as it was when it started."""

    def __init__(self, started):
        self.files = {path: facts(path) for path in files()}
        self.sound = all(f is None or f[2] < started - COARSE for f in self.files.values())
        self.directory = place(".")
        self.inherited = inherited()

    def fresh(self, directory):
        """Whether an interpreter that was started now, in that directory, would be like this one."""
        try:
            os.chdir(directory)
            same = (self.sound and place(".") == self.directory and inherited() == self.inherited
                    and all(facts(path) == before for path, before in self.files.items()))
        except OSError:
            return False
        forget_folders()
        return same


def forget_folders():
    """importlib.invalidate_caches() without its import of importlib.metadata, which takes as long as
    a reload: what that keeps is of nobody's use before it is imported."""
    if "importlib.metadata" in sys.modules:
        importlib.invalidate_caches()
        return
    for finder in (*sys.meta_path, *sys.path_importer_cache.values()):
        if finder is not PathFinder and hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
    for folder in [folder for folder, finder in sys.path_importer_cache.items()
                   if finder is None or not os.path.isabs(folder)]:
        del sys.path_importer_cache[folder]


def files():
    """All that has a say in how the interpreter comes out, but the variables of the environment,
    which are the master's: modules, libraries, folders in which others may have come up, .pth files."""
    found = {sys.executable, *(os.path.join(folder, "pyvenv.cfg") for folder in (sys.prefix, os.path.dirname(sys.executable)))}
    found.update(getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    with open("/proc/self/maps") as maps:
        found.update(line.split(None, 5)[5].rstrip("\n") for line in maps if "/" in line)
    found.discard(os.readlink("/proc/self/exe"))  # another one makes no difference to a running master
    for folder in filter(None, sys.path):
        found.add(folder)
        if os.path.isdir(folder):
            found.update(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".pth"))
    return {path for path in found if path.startswith("/") and not path.startswith(("/memfd:", "/dev/"))}


def facts(path):
    """Which file it is and when it was changed last; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def place(folder):
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def inherited():
    """What a new process has from the master, where an operator may have changed that."""
    master = os.getppid()
    with open("/proc/%d/limits" % master) as limits:
        return limits.read(), os.sched_getaffinity(master), os.getpriority(os.PRIO_PROCESS, master)
