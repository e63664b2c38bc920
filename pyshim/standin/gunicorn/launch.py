"""Executes gosrv in the place of a program that would start Gunicorn."""

import os
import shlex
import shutil
import sys


def binary():
    """gosrv: named by $GOSRV, beside this Python, or on PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), "gosrv")
    found = os.environ.get("GOSRV") or (beside if os.access(beside, os.X_OK) else shutil.which("gosrv"))
    if found is None:
        sys.exit("gunicorn: gosrv, which stands in for it, is neither beside %s nor on PATH" % sys.executable)
    return found


def execute(arguments):
    os.environ.setdefault("GOSRV_PYTHON", sys.executable)
    sys.stdout.flush()
    sys.stderr.flush()
    path = binary()
    os.execv(path, [path] + arguments)


def program():
    """Starts the running program again, under gosrv, which serves from its run() on."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name = spec.name[: -len(".__main__")] if spec.name.endswith(".__main__") else spec.name
        location = "python:" + name
    elif getattr(main, "__file__", None):
        location = main.__file__
    else:
        sys.exit("gunicorn: gosrv has to run this program, and there is no file of it; write it to one and"
                 " start that by gosrv --program FILE")
    execute(["--program", location, "--"] + sys.argv[1:])


def command_line():
    """Hands Gunicorn's command line to gosrv, whose command line is the same."""
    if "_gosrv" in sys.modules:
        raise RuntimeError("this program reads Gunicorn's command line: start gosrv itself with it: gosrv %s"
                           % " ".join(shlex.quote(word) for word in sys.argv[1:]))
    execute(sys.argv[1:])
