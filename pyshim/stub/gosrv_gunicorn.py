# Written by `gosrv install-stub`, which takes it away again with --undo. Each start of this Python comes by here
# (gosrv_gunicorn.pth): where Gunicorn is about to be started, gosrv is started in its place.
import sys

PROGRAM, SCRIPTS = "gosrv", ""  # as they were when this was installed
MODULES = ("gunicorn", "gunicorn.__main__", "gunicorn.app.wsgiapp")


def is_asked_for(argv):
    """Whether this Python starts as `python -m gunicorn`, as the script gunicorn of its environment, or as either
    does when a master of Gunicorn's executes itself anew (USR2)."""
    if "_gosrv" in sys.builtin_module_names:
        return False  # gosrv itself, which embeds Python and keeps the name that it was started by
    if argv[0] == "-m":
        # Not known yet to sys.argv: the word before the arguments, alone or behind letters as in -Im.
        word = command_line()[-len(argv)]
        return (word if word[0] != "-" else word.partition("m")[2]) in MODULES
    import os

    folder, name = os.path.split(os.path.abspath(argv[0]))
    if name == "gunicorn":
        return any(is_same(folder, bin) for bin in (os.path.dirname(sys.executable), SCRIPTS))
    return name == "__main__.py" and is_same(folder, os.path.join(os.path.dirname(__file__), "gunicorn"))


def command_line():
    if hasattr(sys, "orig_argv"):
        return sys.orig_argv
    with open("/proc/self/cmdline", "rb") as f:  # Python 3.9
        return f.read().decode(errors="surrogateescape").split("\0")[:-1]


def is_same(one, other):
    import os

    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def serve(argv):
    """Become gosrv. A script keeps its name: SIGUSR2 executes what lies there then."""
    import os
    import shutil

    beside = [os.path.join(folder, "gosrv") for folder in (os.path.dirname(sys.executable), SCRIPTS)]
    program = os.environ.get("GOSRV") or next((p for p in (*beside, PROGRAM) if os.access(p, os.X_OK)), None) or shutil.which("gosrv")
    if program is None:
        end("%s is to start gosrv, which is neither in %s nor at %s nor on PATH.\nInstall it again, or remove %s"
            % (argv[0], os.path.dirname(sys.executable), PROGRAM, os.path.splitext(__file__)[0] + ".pth"))
    os.environ.setdefault("GOSRV_PYTHON", sys.executable)
    is_script = os.path.basename(argv[0]) == "gunicorn" and os.access(argv[0], os.X_OK)
    try:
        os.execv(program, [argv[0] if is_script else program] + argv[1:])
    except OSError as e:
        end("cannot start %s: %s" % (program, e.strerror))


def end(message):
    """At once: Python is not ready yet for an exception that passes through."""
    import os

    os.write(2, ("gunicorn: %s\n" % message).encode(errors="replace"))
    os._exit(1)


if getattr(sys, "argv", None) and sys.argv[0].endswith(("-m", "gunicorn", "__main__.py")) and is_asked_for(sys.argv):
    serve(sys.argv)
