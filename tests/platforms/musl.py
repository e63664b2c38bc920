"""gosrv for musl, Alpine's C library: the wheel that is published, under a CPython as Alpine's images have it, and one with the interpreter
inside the program; in a root without any glibc for what a host with one would hide.
"""
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pythons
from platforms import sources
from platforms.debian import Suite

PLATFORMS = ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "linux_x86_64")  # whose wheels it takes; the last is what it builds itself
SOURCES = ("psycogreen", "zope.interface")  # what is published without a wheel for musl


def program(wheel, folder, as_name="gosrv"):
    """The program in a wheel, unpacked."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".data/scripts/gosrv"))
        target = folder / as_name
        target.write_bytes(archive.read(name))
    target.chmod(0o755)
    return target


def venv(python, *requirements):
    """An environment of that Python which holds the requirement files. The installer is this machine's: that Python has no TLS."""
    text = "".join(path.read_text() for path in requirements)
    home = pythons.CACHE / ("venv-musl-%s-%s" % (Path(python).name, pythons.key(text)))
    with pythons.locked(home.name):
        if not (home / "complete").exists():
            subprocess.run([str(python), "-m", "venv", "--clear", str(home)], check=True)
            library = next(home.glob("lib/python3*/site-packages"))
            listed = [arg for path in requirements for arg in ("-r", str(path))]
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
            wheels = str(home / "wheels")
            subprocess.run([*pip, "download", "--no-deps", "--dest", wheels, "setuptools"], check=True)
            subprocess.run([*pip, "download", "--no-deps", "--no-binary=:all:", "--dest", wheels, *SOURCES], check=True)
            own = [str(home / "bin" / "python"), "-m", "pip", "--quiet"]
            subprocess.run([*own, "install", "--no-index", "--find-links", wheels, "setuptools"], check=True)
            subprocess.run([*own, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--find-links", wheels, "--wheel-dir", wheels, *SOURCES],
                           check=True)
            subprocess.run([*pip, "install", "--only-binary=:all:", *[arg for name in PLATFORMS for arg in ("--platform", name)],
                            "--python-version", "3.13", "--upgrade", "--find-links", wheels, "--target", str(library), *listed], check=True)
            (home / "complete").touch()
    return home


def interpreters():
    """(by a shared library, all in one program)"""
    home = sources.musl()
    return home / "bin" / "python3.13", home / "bin" / "python3-static"


def check(run):
    """Wheels for both machines; the marked tests by a libpython, the ways in and out by a program without; what is musl's own."""
    run.debian(["musl-gcc", "tclsh"], "musl-tools", "tcl")
    shared, static = interpreters()
    wheels = pythons.CACHE / "wheels-musl"
    shutil.rmtree(wheels, ignore_errors=True)
    if not run.release("wheel", wheels, "amd64", "amd64-musl", "arm64-musl"):
        return
    binary = program(next(wheels.glob("*musllinux*x86_64.whl")), run.BINARY.parent, "gosrv-musl")
    if not run.build():  # for glibc: each is to refuse the other's Python
        return
    tests = run.test_venv()
    env = {"GOSRV_WHEELS": str(wheels), "GOSRV_GLIBC_BIN": str(run.BINARY), "GOSRV_MUSL_ROOT": str(root())}
    for python, chosen in ((shared, ("-m", "matrix or musl")), (static, ("-m", "musl")), (static, WAYS)):
        home = venv(python, *run.APP_PACKAGES)
        run.pytest("end to end on %s for musl" % python.name, tests, "-n", "2", *chosen, python=home / "bin" / "python", binary=binary, env=env)


WAYS = ("test_wsgi.py", "test_reload.py", "test_refork.py", "test_stop.py", "test_threads.py")


def root():
    """A root without glibc: musl as Alpine has it now, and a shell."""
    return Suite(sources.SUITE).unpack(pythons.CACHE / "root-musl", "musl", "busybox-static")
