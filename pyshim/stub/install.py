"""Run by the Python whose environment is to get the stub or to lose it: install.py install|undo PROGRAM SYSTEM < gosrv_gunicorn.py

Two files go beside the packages, and no file of Gunicorn's is touched: pip may install, upgrade and remove it as ever.
A script bin/gunicorn is made only where there is none.
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile

MARK = "Written by `gosrv install-stub`"
SCRIPT = """\
#!/bin/sh
'''exec' "%s" "$0" "$@"
' '''
# %s, which takes it away again with --undo.
import sys

import gosrv_gunicorn

gosrv_gunicorn.serve(sys.argv)
"""


class Refusal(Exception):
    """Why nothing was done; str() is the message."""


class Place:
    """The environment of this Python."""

    def __init__(self):
        self.packages, self.scripts = sysconfig.get_path("purelib"), sysconfig.get_path("scripts")
        self.hook = os.path.join(self.packages, "gosrv_gunicorn.py")
        self.start = os.path.join(self.packages, "gosrv_gunicorn.pth")
        self.script = os.path.join(self.scripts, "gunicorn")
        self.is_virtual = sys.prefix != sys.base_prefix

    def files(self):
        """Those that are there and ours, in the order in which they may go."""
        compiled = glob.glob(os.path.join(glob.escape(self.packages), "__pycache__", "gosrv_gunicorn.*.pyc"))
        return [path for path in (self.start, self.script, self.hook) if is_ours(path)] + compiled

    def install(self, program, hook):
        quoted = re.sub(r'([\\"$`])', r"\\\1", sys.executable)
        hook = hook.replace('PROGRAM, SCRIPTS = "gosrv", ""', "PROGRAM, SCRIPTS = %r, %r" % (program, self.scripts))
        wanted = {self.hook: (hook, 0o644)}
        if not os.path.lexists(self.script) or is_ours(self.script):
            wanted[self.script] = (SCRIPT % (quoted, MARK), 0o755)
        wanted[self.start] = ("import gosrv_gunicorn  # %s\n" % MARK, 0o644)  # last: it turns the others on
        for path, (text, mode) in wanted.items():
            if os.path.lexists(path) and not is_ours(path):
                raise Refusal("%s is there, and not of gosrv's making" % path)
            write(path, text, mode)
        return wanted

    def undo(self):
        gone = self.files()
        for path in gone:
            os.remove(path)
        try:
            os.rmdir(os.path.join(self.packages, "__pycache__"))
        except OSError:
            pass  # others' files are in it, or there was none
        return gone

    def check(self):
        """Both forms, as other programs would start them."""
        for words in ([self.script], [sys.executable, "-m", "gunicorn"]):
            done = subprocess.run([*words, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  universal_newlines=True)
            if not done.stdout.startswith("gosrv "):
                raise Refusal("`%s --version` says\n%s%s" % (" ".join(words), done.stdout, self.reason(words)))

    def reason(self, words):
        if words == [self.script] and not is_ours(self.script):
            return "%s is no script of %s; remove it if nobody needs it, and try again" % (self.script, sys.executable)
        return "Nothing was changed"


def is_ours(path):
    try:
        with open(path, errors="replace") as f:
            return MARK in f.read(500)
    except OSError:
        return False


def write(path, text, mode):
    """Whole or not at all: a Python may be starting."""
    fd, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".gosrv-")
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(text)
            os.fchmod(f.fileno(), mode)
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise


def carry_out(order, program, system):
    place = Place()
    if not place.is_virtual and not system:
        raise Refusal("%s is no virtual environment: `gunicorn` would become gosrv for everybody who uses this Python.\n"
                      "Name another by --python PATH, or say --system if that is what you want" % sys.executable)
    if order == "undo":
        gone = place.undo()
        print("Removed:\n  %s\n`gunicorn` is Gunicorn again, if it is installed" % "\n  ".join(gone) if gone
              else "There is no stub in %s" % sys.prefix)
        return
    before = place.files()
    try:
        made = place.install(program, sys.stdin.read())
        place.check()
    except BaseException:
        if not before:
            place.undo()
        raise
    print("`gunicorn` and `python -m gunicorn` in %s start gosrv (%s) from now on.\nWritten:\n  %s" % (sys.prefix, program, "\n  ".join(made)))
    if place.script not in made:
        print("Left as it is: %s, whose Python looks into the files above first" % place.script)
    print("To take it back: gosrv install-stub --undo%s --python %s" % (" --system" if system else "", shlex.quote(sys.executable)))


def main(order, program, system):
    try:
        carry_out(order, program, system == "true")
    except Refusal as refusal:
        sys.exit("gosrv install-stub: %s" % refusal)
    except OSError as e:
        sys.exit("gosrv install-stub: %s: %s; nothing was changed. The owner of %s can do it" % (e.filename or "", e.strerror, sys.prefix))


if __name__ == "__main__":
    main(*sys.argv[1:])
