# Runs first, inside the zygote, with _gosrv, control_fd and modules as globals: makes the
# packages gosrv_shim and gunicorn out of the bundle and enters the control loop. It returns
# in a worker.


def finder(files):
    """The class of what finds the modules of one package in the bundle."""
    import sys
    from importlib.machinery import ModuleSpec

    def look(fullname):
        """(file name, whether it is a package) of a module; (None, False) if it is not ours."""
        name = fullname.replace(".", "/")
        if name + "/__init__.py" in files:
            return name + "/__init__.py", True
        return (name + ".py", False) if name + ".py" in files else (None, False)

    class Loader:
        """Gives tracebacks their source lines (linecache asks get_source)."""

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            code = compile(files[look(module.__name__)[0]], module.__spec__.origin, "exec")
            exec(code, module.__dict__)

        def get_source(self, fullname):
            return files[look(fullname)[0]]

    class Finder:
        package = None

        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            package, dot, _ = fullname.partition(".")
            name, is_package = look(fullname)
            if package != cls.package or name is None:
                return None
            if dot and not isinstance(sys.modules[package].__spec__.loader, Loader):
                return None  # the real package is there: none of its modules may be ours
            return ModuleSpec(fullname, Loader(), origin="<gosrv>/" + name.removeprefix("gosrv_shim/"),
                              is_package=is_package)

        @classmethod
        def has(cls, fullname):
            return look(fullname)[0] is not None

        @classmethod
        def packages(cls):
            end = "/__init__.py"
            return [name[:-len(end)].replace("/", ".") for name in files
                    if name.startswith(cls.package + "/") and name.endswith(end)]

    return Finder


def finders(files):
    """What finds the modules of gosrv_shim, and those of the stand-in gunicorn."""
    import importlib
    import sys

    Finder = finder(files)

    class Shim(Finder):
        """Only there while the shim loads: sys.meta_path is the application's."""

        package = "gosrv_shim"

        @classmethod
        def load(cls, fullname):
            sys.meta_path.insert(0, cls)
            try:
                return importlib.import_module(fullname)
            finally:
                sys.meta_path.remove(cls)

        @classmethod
        def open_packages(cls):
            """Nothing is cached on disk, so each module has to be compiled; those that few
            configurations need wait until one does (PEP 562). Packages do not wait: an import
            statement looks for them where the shim cannot be found any more."""
            for name in cls.packages():
                cls.load(name).__getattr__ = cls.loading_from(name)

        @classmethod
        def loading_from(cls, package):
            def load(name):
                fullname = package + "." + name
                if not cls.has(fullname):
                    raise AttributeError("module %r has no attribute %r" % (package, name))
                return cls.load(fullname)

            return load

    class StandIn(Finder):
        """Stays, at the end: a Gunicorn that is installed is found before it."""

        package = "gunicorn"

    return Shim, StandIn


def boot():
    import json
    import sys

    # By this option a free-threaded build has its GIL here; a python that the application starts has what its user wants.
    if sys._xoptions.pop("gil", None) and hasattr(sys, "orig_argv"):
        sys.orig_argv[1:] = ["-c", "pass"]
    shim, stand_in = finders(json.loads(modules))
    sys.modules["_gosrv"] = _gosrv
    zygote = shim.load("gosrv_shim.zygote")
    shim.open_packages()
    sys.meta_path.append(stand_in)
    sys.modules["gosrv_shim"].stand_in = stand_in
    zygote.main(control_fd)


boot()
del boot, finder, finders, modules
