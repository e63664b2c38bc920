"""The CPythons of Debian unstable, newer than what this machine has: each as it comes, with the interpreter inside, and one that runs by its
libpython. Their C library is newer than this machine's, so they and a copy of gosrv are made to run by it.

Unstable moves: one that is gone is passed over with a word.
"""
import shutil
import subprocess

import pythons
from platforms.debian import Missing, Suite

# The day a new pre-release comes is the day to add it.
MINORS = ("3.14", "3.15")
MAIN = "extern int Py_BytesMain(int, char **);\nint main(int argc, char **argv) { return Py_BytesMain(argc, argv); }\n"


def fetch(minor, patchelf):
    """The folder with python3.X, python3.X-shared and the C library that they need."""
    root = Suite("sid").unpack(pythons.CACHE / ("root-python" + minor), "python" + minor, "libpython" + minor)
    home, shared = root / "usr" / "bin" / ("python" + minor), root / "usr" / "bin" / ("python%s-shared" % minor)
    if shared.exists():
        return root
    source = root / "main.c"
    source.write_text(MAIN)
    library = libraries(root) / ("libpython%s.so.1.0" % minor)
    made = shared.with_suffix(".new")
    subprocess.run(["cc", "-o", str(made), str(source), str(library), "-Wl,--allow-shlib-undefined"], check=True)
    adapt(home, root, patchelf)
    adapt(made, root, patchelf)
    made.rename(shared)
    return root


def libraries(root):
    return next(root.glob("usr/lib/*-linux-gnu"))


def adapt(program, root, patchelf):
    """Let a program, and what it loads, run by the C library in root."""
    folder = libraries(root)
    linker = next(folder.glob("ld-linux-*.so.*"))
    subprocess.run([str(patchelf), "--set-interpreter", str(linker), "--force-rpath", "--set-rpath", str(folder), str(program)], check=True)


def interpreters(patchelf, gosrv):
    """(Python, the gosrv that goes with it) for each."""
    found = []
    for minor in MINORS:
        try:
            root = fetch(minor, patchelf)
        except Missing as why:
            print("no Python %s: %s" % (minor, why))
            continue
        binary = gosrv.with_name("gosrv-" + minor)
        shutil.copy(gosrv, binary)
        adapt(binary, root, patchelf)
        for name in ("python" + minor, "python%s-shared" % minor):
            python = pythons.ask(root / "usr" / "bin" / name)
            if python is not None:
                found.append((python, gosrv if python.static else binary))
    return found
