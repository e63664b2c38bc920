"""CPythons built from source, for what nobody distributes in a form that is to be had everywhere: for musl, and without the GIL.

Each is built once into the cache; four minutes each, on two cores.
"""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pythons
from platforms.debian import Missing, Suite

SUITE = "trixie"
PACKAGE = "python3.13"


def run(log, argv, cwd, **variables):
    """One step of a build; its output goes to the log, whose end is shown if it fails."""
    with open(log, "ab") as out:
        done = subprocess.run([str(a) for a in argv], cwd=cwd, env=dict(os.environ, **variables), stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT, timeout=1400)
    if done.returncode != 0:
        raise Missing("%s failed; the end of %s:\n%s" % (argv[0], log, Path(log).read_text(errors="replace")[-1500:]))


def jobs():
    return "-j%d" % (os.cpu_count() or 1)


def built(name, build):
    """The folder of that name in the cache, made by build(folder, work, log) once: whoever comes meanwhile waits."""
    home = pythons.CACHE / name
    with pythons.locked(home.name):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            log = pythons.CACHE / (name + ".log")
            log.unlink(missing_ok=True)
            print("building %s, once: some minutes; %s tells how far it is" % (name, log), flush=True)
            with tempfile.TemporaryDirectory(prefix="gosrv-build-") as work:
                build(home, Path(work), log)
            (home / "complete").touch()
    return home


def free_threaded():
    """CPython without the GIL (3.13t) that runs by a shared libpython."""

    def build(home, work, log):
        source = Suite(SUITE).source(PACKAGE, work / "python")
        run(log, ["./configure", "--prefix=%s" % home, "--disable-gil", "--enable-shared", "--disable-test-modules", "--with-ensurepip=install",
                  "LDFLAGS=-Wl,-rpath,%s/lib" % home], source)
        run(log, ["make", jobs()], source)
        run(log, ["make", "install"], source)

    return built("cpython-3.13t", build) / "bin" / "python3.13t"


def musl():
    """CPython for musl as Alpine's images have it: by a shared libpython, with threads' stacks of 1 MiB. And the same program
    with the interpreter inside it, bin/python3-static."""
    if not shutil.which("musl-gcc"):
        raise Missing("no musl-gcc on this machine (Debian: musl-tools)")
    return built("cpython-musl", build_musl)


def build_musl(home, work, log):
    compiler = musl_compiler(home)
    libraries = home / "libraries"
    suite = Suite(SUITE)
    flags = {"CC": str(compiler), "CFLAGS": "-O2 -fPIC"}
    zlib = suite.source("zlib", work / "zlib")
    run(log, ["./configure", "--static", "--prefix=%s" % libraries], zlib, **flags)
    run(log, ["make", jobs(), "install", "libz.a"], zlib)
    ffi = Suite("bookworm").source("libffi", work / "libffi")  # later ones come without a configure
    run(log, ["./configure", "--prefix=%s" % libraries, "--host=x86_64-linux-musl", "--disable-shared", "--with-pic", "--disable-docs",
              "--disable-multi-os-directory", "--libdir=%s/lib" % libraries], ffi, **flags)
    run(log, ["make", jobs(), "install"], ffi)
    sqlite = suite.source("sqlite3", work / "sqlite")
    run(log, ["./configure", "--prefix=%s" % libraries, "--host=x86_64-linux-musl", "--disable-shared", "--disable-tcl", "--disable-readline",
              "--disable-load-extension"], sqlite, BUILD_CC="cc", **flags)
    run(log, ["make", "sqlite3.c", "sqlite3.h"], sqlite)
    run(log, [compiler, "-O2", "-fPIC", "-DSQLITE_OMIT_LOAD_EXTENSION", "-c", "sqlite3.c"], sqlite)
    run(log, ["ar", "rcs", libraries / "lib/libsqlite3.a", "sqlite3.o"], sqlite)
    for name in ("sqlite3.h", "src/sqlite3ext.h"):
        shutil.copy(sqlite / name, libraries / "include")
    build_musl_python(home, work, log, compiler, libraries)


def musl_compiler(home):
    """A C compiler that names its target as configure asks, and finds the kernel's headers, which musl's package has not."""
    headers = home / "kernel"
    headers.mkdir(parents=True)
    for name, place in (("linux", "/usr/include/linux"), ("asm-generic", "/usr/include/asm-generic"), ("asm", "/usr/include/x86_64-linux-gnu/asm")):
        (headers / name).symlink_to(place)
    compiler = home / "musl-cc"
    compiler.write_text('#!/bin/sh\n[ "$*" = --print-multiarch ] && exec echo x86_64-linux-musl\nexec musl-gcc -isystem "%s" "$@"\n' % headers)
    compiler.chmod(0o755)
    return compiler


def build_musl_python(home, work, log, compiler, libraries):
    source = Suite(SUITE).source(PACKAGE, work / "python")
    include, lib = "-I%s/include" % libraries, "-L%s/lib" % libraries
    run(log, ["./configure", "--prefix=%s" % home, "--enable-shared", "--disable-test-modules", "--with-ensurepip=install",
              "--build=x86_64-linux-musl", "CC=%s" % compiler, "CFLAGS=-DTHREAD_STACK_SIZE=0x100000", "CPPFLAGS=%s" % include,
              "LDFLAGS=%s -Wl,-rpath,%s/lib" % (lib, home), "LIBSQLITE3_CFLAGS=%s" % include, "LIBSQLITE3_LIBS=%s -lsqlite3 -lm" % lib,
              "ZLIB_CFLAGS=%s" % include, "ZLIB_LIBS=%s -lz" % lib, "LIBFFI_CFLAGS=%s" % include, "LIBFFI_LIBS=%s -lffi" % lib], source,
        PKG_CONFIG="false")
    run(log, ["make", jobs()], source)
    run(log, ["make", "install"], source)
    run(log, ["make", "libpython3.13.a"], source)
    run(log, [compiler, "-rdynamic", "-o", home / "bin/python3-static", "Programs/python.o", "-Wl,--whole-archive", "libpython3.13.a",
              "-Wl,--no-whole-archive", "-lm"], source)
