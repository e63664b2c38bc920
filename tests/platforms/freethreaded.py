"""gosrv under a CPython that is built without the GIL, which it serves with its GIL on: what differs is where an object's count and type are."""
import os

import pythons
from platforms import sources

NOT_THERE = "not gevent and not eventlet and not green"  # which have no wheels for such a Python


def check(run):
    python = pythons.ask(sources.free_threaded())
    folder = pythons.CACHE / "freethreaded"
    folder.mkdir(exist_ok=True)
    link = folder / "python3"  # by this name the boundary tests look for one
    if not link.is_symlink():
        link.symlink_to(python.executable)
    home = pythons.venv(python, run.APP_PACKAGES[0])
    run.go_test("boundary tests on a free-threaded CPython", ["-run", "TestInInterpreter", "-count=1"], ["./cgo/cgotest"],
                run.go_environment(PATH="%s:%s" % (folder, os.environ["PATH"])))
    if run.build():
        run.pytest("end to end on a free-threaded CPython", run.test_venv(), "-n", "2", "-m", "matrix or freethreaded", "-k", NOT_THERE,
                   python=home / "bin" / "python", env={"GOSRV_FREE_THREADED": "1"})
