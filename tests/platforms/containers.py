"""The shipped Dockerfiles, built and run by podman, and the example units under a real systemd. Their base images are made of Debian's packages, and of the CPython for musl, under the
names of those that are published: no registry is asked, and pip takes what it installs from a folder.
"""
import shutil
import subprocess
import sys
from pathlib import Path

import pythons
from platforms import musl, sources
from platforms.debian import Suite
from platforms.unstable import MAIN

SUITE = "bookworm"  # whose Python is the one of the distroless image that is named
PIP = "[global]\nno-index = true\nfind-links = /wheels\ndisable-pip-version-check = true\n"
REQUIREMENTS = ("flask==3.0.3",)  # what the project of the tests says in its requirements.txt


def check(run, *args):
    """What is missing on this machine is said by the tests that it leaves out."""
    run.debian(["podman", "crun"], "podman", "crun", "uidmap")
    run.debian(["musl-gcc", "tclsh"], "musl-tools", "tcl")
    home = pythons.CACHE / "containers"
    roots = {"slim": slim(home / "slim"), "distroless": distroless(home / "distroless"), "alpine": alpine(home / "alpine"), "systemd": systemd(home / "systemd")}
    collected = wheels(run, home / "wheels")
    if collected and run.build():
        run.pytest("images, and a real systemd", run.test_venv(), "-m", "containers", *args,
                   env={"GOSRV_IMAGE_WHEELS": str(collected), **{"GOSRV_IMAGE_" + name.upper(): str(root) for name, root in roots.items()}})


def wheels(run, folder):
    """gosrv's wheels of this tree and those of the project, for both C libraries."""
    shutil.rmtree(folder, ignore_errors=True)
    if not run.release("wheel", folder, "amd64", "amd64-musl"):
        return None
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--only-binary=:all:", "--dest", str(folder)]
    for version, platforms in (("3.11", ("manylinux2014_x86_64", "manylinux_2_28_x86_64")), ("3.13", musl.PLATFORMS)):
        named = [arg for platform in platforms for arg in ("--platform", platform)]
        subprocess.run([*pip, "--python-version", version, *named, *REQUIREMENTS], check=True)
    return folder


def slim(home):
    """As python:3-slim: Debian with a `python` that runs by its libpython, and a pip that may write where it lies."""
    root = Suite(SUITE).unpack(home, "python3", "python3-venv", "python3-pip", "libpython3.11", "passwd", "base-passwd", "dash", "coreutils", "bash")
    program = root / "usr/local/bin/python3.11"
    program.parent.mkdir(parents=True, exist_ok=True)
    if not program.exists():
        source = root / "main.c"
        source.write_text(MAIN)
        library = next(root.glob("usr/lib/*-linux-gnu/libpython3.11.so.1.0"))
        subprocess.run(["cc", "-o", str(program), str(source), str(library), "-Wl,--allow-shlib-undefined"], check=True)
        source.unlink()
    for name in ("python", "python3"):
        link(program.with_name(name), "python3.11")
    script(program.with_name("pip"), 'exec /usr/local/bin/python -m pip "$@"')
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    link(root / "usr/bin/sh", "dash")
    return furnished(root)


def distroless(home):
    """As Google's python3: Debian's own Python, the interpreter inside the program, and no shell."""
    root = Suite(SUITE).unpack(home, "python3", "base-passwd")
    assert not (root / "bin/sh").exists()
    return furnished(root)


def alpine(home):
    """As python:3-alpine: musl, busybox and a CPython in /usr/local."""
    python = sources.musl()
    if (home / "complete").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    root = Suite(sources.SUITE).unpack(home, "musl", "busybox-static", "base-passwd")
    busybox = next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())
    for name in ("sh", "cat", "id", "ls", "kill", "sleep", "env"):
        link(busybox.with_name(name), "busybox")
    (root / "usr/local").mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", *(str(python / name) for name in ("bin", "lib", "include")), str(root / "usr/local")], check=True)
    for path in (root / "usr/local/bin").iterdir():  # scripts that name the place where it was built
        if path.name.startswith("pip"):
            path.unlink()
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/ld-musl-x86_64.path").write_text("/lib\n/usr/local/lib\n/usr/lib\n")  # musl's own; Debian's package has other places
    link(root / "usr/local/bin/python", "python3.13")
    script(root / "usr/local/bin/pip", 'exec /usr/local/bin/python -m pip "$@"')
    (furnished(root) / "complete").touch()
    return root


def systemd(home):
    """A machine of Debian's with a systemd that knows Type=notify-reload."""
    return furnished(Suite("trixie").unpack(home, "systemd", "python3", "python3-venv", "base-passwd", "dash", "coreutils"))


def furnished(root):
    """What scripts of packages make, which were not run: users, /tmp, and where pip looks."""
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    for name in ("passwd", "group"):
        shutil.copy(next(root.glob("usr/share/base-passwd/%s.master" % name)), etc / name)
    (etc / "pip.conf").write_text(PIP)
    for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("run", 0o755), ("root", 0o700)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    return root


def link(path, target):
    if not path.is_symlink() and not path.exists():
        path.symlink_to(target)


def script(path, text):
    path.write_text("#!/bin/sh\n%s\n" % text)
    Path(path).chmod(0o755)
