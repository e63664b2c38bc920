"""The arm64 wheel, run by an emulator: QEMU's for programs, which the kernel starts by itself for what is made for arm64.

The kernel is told of the emulator by binfmt_misc and told to forget it at the end. What emulation cannot show is said in cgo/DESIGN.md,
"Memory order".
"""
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pythons
from platforms import musl
from platforms.debian import Missing, Suite
from platforms.unstable import MAIN

SUITE = "bookworm"  # of what is emulated; the emulator of that suite lacks PR_SET_CHILD_SUBREAPER
EMULATOR_SUITE = "trixie"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
NAME = "gosrv-arm64"
# An ELF file, 64 bits, little endian, a program or a library, for AArch64. P: argv[0] stays; O, F: the emulator is opened now, for
# processes that see another root; a program is executed by its descriptor.
MAGIC = r":%s:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:%s:POF"
# Each emulated process has a thread of the emulator's, which these tests count: the zygote's (takes_part_in_forks waits for one besides the
# main thread, and sees two), a seed's, that of a worker's zygote. And the emulator's signals of real time are others, and titles are as long as comm.
NOT_EMULATED = ("test_an_upgrade", "seed", "what_their_model_knew", "beside_threads_of", "stuck_zygote", "takes_part_in_forks", "gevent", "eventlet", "green")
SMOKE = ("test_wsgi.py", "test_reload.py", "test_stop.py")


@contextlib.contextmanager
def emulated():
    """Programs for arm64 start meanwhile, by the emulator."""
    if os.geteuid() != 0:
        raise Missing("only root may tell the kernel of an emulator")
    emulator = Suite(EMULATOR_SUITE).unpack(pythons.CACHE / "qemu-user", "qemu-user") / "usr" / "bin" / "qemu-aarch64"
    mounted = not (BINFMT / "register").exists()
    if mounted and subprocess.run(["mount", "-t", "binfmt_misc", "none", str(BINFMT)], capture_output=True).returncode != 0:
        raise Missing("this kernel has no binfmt_misc")
    try:
        if (BINFMT / NAME).exists():
            (BINFMT / NAME).write_text("-1")
        (BINFMT / "register").write_text(MAGIC % (NAME, emulator))
        yield
    finally:
        if (BINFMT / NAME).exists():
            (BINFMT / NAME).write_text("-1")
        if mounted:
            subprocess.run(["umount", str(BINFMT)], check=True)


def root():
    return Suite(SUITE, "arm64").unpack(pythons.CACHE / "root-arm64", "python3", "libpython3.11", "dash", "coreutils")


def interpreters(compiler):
    """(the interpreter inside the program, by a libpython)"""
    home = root()
    static, shared = home / "usr" / "bin" / "python3.11", home / "usr" / "bin" / "python3.11-shared"
    if not shared.exists():
        source = home / "main.c"
        source.write_text(MAIN)
        library = home / "usr/lib/aarch64-linux-gnu/libpython3.11.so.1.0"
        subprocess.run([str(compiler), "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.36", "-o", str(shared), str(source), str(library),
                        "-Wl,--allow-shlib-undefined"], check=True)
    return static, shared


def venv(python, environment, *requirements):
    """An environment of an emulated Python that holds the requirement files, by this machine's installer."""
    text = "".join(path.read_text() for path in requirements)
    home = pythons.CACHE / ("venv-arm64-%s-%s" % (python.name, pythons.key(text)))
    with pythons.locked(home.name):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([str(python), "-m", "venv", "--without-pip", str(home)], check=True, env=environment)
            library = next(home.glob("lib/python3*/site-packages"))
            listed = [arg for path in requirements for arg in ("-r", str(path))]
            subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--only-binary=:all:", "--python-version", "3.11",
                            "--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64", "--target", str(library), *listed], check=True)
            (home / "complete").touch()
    return home


def check(run, *args):
    """Both ways to load a Python, then the marked tests; arguments are pytest's, in place of those."""
    wheels = pythons.CACHE / "wheels-arm64"
    shutil.rmtree(wheels, ignore_errors=True)
    if not run.release("wheel", wheels, "arm64"):
        return
    binary = musl.program(next(wheels.glob("*.whl")), run.BINARY.parent, "gosrv-arm64")
    home = root()
    environment = dict(os.environ, QEMU_LD_PREFIX=str(home))
    static, shared = interpreters(run.tools())
    away = " and ".join("not " + name for name in NOT_EMULATED)
    with emulated():
        for python, chosen in ((static, SMOKE), (shared, args or ("-m", "matrix"))):
            place = venv(python, environment, run.APP_PACKAGES[0])
            run.pytest("end to end on %s for arm64" % python.name, run.test_venv(), "-n", "2", "-k", away, *chosen,
                       python=place / "bin" / "python", binary=binary, env={"QEMU_LD_PREFIX": str(home)})
