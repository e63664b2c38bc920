"""`python -m gosrv` is the program `gosrv`, with this Python for the application."""
import os
import sys
import sysconfig

PROGRAM = "gosrv"


def places():
    """Where an installer may have put the program, the likeliest first."""
    yield sysconfig.get_path("scripts")
    package = os.path.dirname(os.path.abspath(__file__))
    yield os.path.join(os.path.dirname(package), "bin")  # pip install --target
    # pip install --prefix: PREFIX/lib/pythonX.Y/site-packages/gosrv
    yield os.path.normpath(os.path.join(package, *[os.pardir] * 4, "bin"))
    yield sysconfig.get_path("scripts", "%s_user" % os.name)  # pip install --user


def find():
    """The path of the program; SystemExit with a message if it is not there."""
    looked = []
    for folder in places():
        path = os.path.join(folder, PROGRAM)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
        if path not in looked:
            looked.append(path)
    raise SystemExit("gosrv: error: the program is not beside its Python package; looked at\n  %s\n"
                     "gosrv: hint: install it again: %s -m pip install --force-reinstall gosrv"
                     % ("\n  ".join(looked), sys.executable))


def main():
    program = find()
    # The Python that was asked for by name, unless the user says otherwise.
    os.environ.setdefault("GOSRV_PYTHON", sys.executable)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, [program] + sys.argv[1:])


if __name__ == "__main__":
    main()
