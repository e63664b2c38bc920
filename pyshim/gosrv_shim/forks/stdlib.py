"""The standard library's modules that the workers of an application load: the zygote imports them before
it forks, so that they are in memory once. The first worker says which they are. Nothing of the
application or of site-packages is imported here, and no module in which it could be told where
it was imported."""

import importlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, FrozenImporter, PathFinder, all_suffixes

from .. import process

HOME = os.path.dirname(os.__file__)
FOLDERS = (HOME, os.path.join(HOME, "lib-dynload"))
SUFFIX = EXTENSION_SUFFIXES[0]

# Each worker imports these itself, with what is in them and what imports them: they would come out otherwise.
OWN = {
    "multiprocessing": "a key of the process, its directory and counters; also _multiprocessing and concurrent.futures.process",
    "_multiprocessing": "see multiprocessing",
    "concurrent.futures.process": "see multiprocessing",
    "zoneinfo": "PYTHONTZPATH is read at the import",
    "_zoneinfo": "see zoneinfo",
    "sysconfig": "HOME and PYTHONUSERBASE are read at the import; also trace, venv and _aix_support",
    "trace": "see sysconfig", "venv": "see sysconfig", "_aix_support": "see sysconfig", "_osx_support": "see sysconfig",
    "profiling.sampling": "see sysconfig", "profile": "warns whoever imports it first that it is deprecated, from 3.15 on",
    "ctypes": "sysconfig from 3.14 on",
    "_ctypes": "see ctypes",
    "_strptime": "TZ and the locale are read at the import",
    "optparse": "its texts are translated at the import, by LANG",
    "pydoc": "PYTHONDOCS is read at the import; also doctest, pdb, cgitb and xmlrpc.server",
    "doctest": "see pydoc", "pdb": "see pydoc", "cgitb": "see pydoc", "xmlrpc.server": "see pydoc",
    "wsgiref.handlers": "a copy of the environment; also wsgiref.simple_server",
    "wsgiref.simple_server": "see wsgiref.handlers",
    "crypt": "a method is tried at the import",
    "readline": "the terminal's state; also rlcompleter and _pyrepl", "rlcompleter": "see readline", "_pyrepl": "see readline",
    "distutils": "variables, and setuptools puts another one in its place", "ensurepip": "installs", "idlelib": "a program", "lib2to3": "a program",
    "antigravity": "opens a browser", "this": "prints",
    **dict.fromkeys(  # until they were taken out
        ("aifc", "asynchat", "asyncore", "audioop", "binhex", "cgi", "chunk", "formatter", "imghdr", "imp", "mailcap", "msilib", "nis",
         "nntplib", "nturl2path", "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sre_compile", "sre_constants",
         "sre_parse", "sunau", "symbol", "telnetlib", "uu", "xdrlib"), "warns whoever imports it first that it is deprecated"),
}


class Obstacle(Exception):
    """Why the workers of this application have to import all themselves."""


class Sharing:
    """What a zygote and its workers share. Made when the zygote can fork."""

    def __init__(self):
        self.before = frozenset(sys.modules)  # what any zygote has
        self.imported = 0

    def load(self, names):
        """Imports them. Raises Obstacle, and imports nothing, where a worker would get others."""
        look_for_patches()
        look_for_shadows(names)
        path, finders = sys.path[:], sys.meta_path[:]
        sys.path[:] = [folder for folder in path if folder in FOLDERS or is_archive(folder)]
        sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]
        try:
            for name in names:
                if shareable(name) and name not in sys.modules:
                    self.imported += attempt(name)
        finally:
            sys.path[:], sys.meta_path[:] = path, finders

    def tell(self, control):
        """In a worker that has imported the application. One that should have imported all itself ends here: the master
        starts another, from a zygote that has imported nothing."""
        try:
            names, obstacle = self.found(), ""
        except Obstacle as e:
            names, obstacle = [], str(e)
        control.send("WorkerImported", modules=names, obstacle=obstacle)
        if obstacle and self.imported:
            process.flush()
            os._exit(0)

    def found(self):
        """What the zygote could have imported for this worker."""
        look_for_patches()
        names = []
        for name, module in list(sys.modules.items()):
            if name not in self.before and shareable(name):
                if is_standard(name, module):
                    names.append(name)
                elif "." not in name and getattr(module, "__file__", None):
                    raise Obstacle("the application's %s has the name of a module of the standard library" % module.__file__)
        return names


def attempt(name):
    """1 if there is such a module. Its worker will say what is wrong with it."""
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001 - whatever a module of the standard library raises here, its worker meets and reports
        return 0
    return 1


def shareable(name):
    parts = name.split(".")
    return is_name_of_ours(parts[0]) and not name.startswith("_sysconfigdata") and not any(".".join(parts[:n]) in OWN for n in range(1, len(parts) + 1))


def is_standard(name, module):
    """Whether it comes from where the standard library is, or from Python itself, and under its own name."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if not origin or spec.name != name:
        return False
    if origin in ("built-in", "frozen"):
        return True
    folders = os.path.dirname(origin) + os.sep
    return folders.startswith(HOME + os.sep) and not any(folder in folders for folder in ("/site-packages/", "/dist-packages/"))


def is_name_of_ours(name):
    names = getattr(sys, "stdlib_module_names", None)  # from 3.10 on
    if names is not None:
        return name in names
    return name in sys.builtin_module_names or any(
        os.path.exists(os.path.join(HOME, start + name + end)) for start in ("", "lib-dynload/") for end in (".py", "/__init__.py", SUFFIX))


def is_archive(folder):
    """python311.zip: it comes before the rest and is not there, mostly."""
    return os.path.basename(folder) == "python%d%d.zip" % sys.version_info[:2]


def look_for_patches():
    """A module that binds what gevent or eventlet replaces has to be imported after that."""
    saved = getattr(sys.modules.get("gevent.monkey"), "saved", None)
    if process.threads_patched() or saved or getattr(sys.modules.get("eventlet.patcher"), "already_patched", None):
        raise Obstacle("gevent or eventlet has patched the standard library, which it is to find as it was")


def look_for_shadows(names):
    """A folder of the application's that is searched first may hold a module of the same name."""
    tops = {name.partition(".")[0] for name in names}
    for folder in sys.path:
        if folder in FOLDERS:
            return
        if is_archive(folder):
            continue
        folder = folder or os.getcwd()
        if os.path.isfile(folder):
            raise Obstacle("%s is an archive and is searched before the standard library" % folder)
        present = set(os.listdir(folder)) if os.path.isdir(folder) else ()
        for top in tops:
            if any(top + suffix in present for suffix in all_suffixes()) or (
                    top in present and os.path.isfile(os.path.join(folder, top, "__init__.py"))):
                raise Obstacle("%s has the name of a module of the standard library" % os.path.join(folder, top))
    raise Obstacle("the standard library is not in sys.path")
