# Runs first, inside the zygote, with _gosrv, control_fd and modules as globals: makes the
# package gosrv_shim out of the bundle and enters the control loop. It returns in a worker.


def boot():
    import json
    import sys
    from importlib.machinery import ModuleSpec

    sources = json.loads(modules)

    class Loader:
        """Gives tracebacks their source lines (linecache asks get_source)."""

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            code = compile(sources[self.key(module.__name__)], module.__spec__.origin, "exec")
            exec(code, module.__dict__)

        def get_source(self, fullname):
            return sources[self.key(fullname)]

        @staticmethod
        def key(fullname):
            return fullname.partition(".")[2] or "__init__"

    class Finder:
        """Only there while the shim loads: sys.meta_path is the application's."""

        @staticmethod
        def find_spec(fullname, path=None, target=None):
            package, _, name = fullname.partition(".")
            if package != "gosrv_shim" or (name or "__init__") not in sources:
                return None
            origin = "<gosrv>/%s.py" % (name or "__init__")
            return ModuleSpec(fullname, Loader(), origin=origin, is_package=not name)

    sys.modules["_gosrv"] = _gosrv
    sys.meta_path.insert(0, Finder)
    try:
        import gosrv_shim.zygote as zygote

        for name in sources:
            if name != "__init__":
                __import__("gosrv_shim." + name)
    finally:
        sys.meta_path.remove(Finder)
    zygote.main(control_fd)


boot()
del boot, modules
