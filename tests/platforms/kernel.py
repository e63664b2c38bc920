"""gosrv on the oldest kernel that Debian still hands out, with the Debian of that time around it, in a virtual machine whose process 1 is a
smoke test. The processor is emulated: where this machine is itself a virtual one, its /dev/kvm may stand still.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pythons
from platforms.debian import Missing, Suite

SUITE = "bullseye"  # Linux 5.10, Python 3.9
LIMIT = 900  # s


def check(run):
    run.debian(["qemu-system-x86_64"], "qemu-system-x86")
    if os.uname().machine != "x86_64" or not shutil.which("qemu-system-x86_64"):
        raise Missing("no qemu-system-x86_64 on this machine (Debian: qemu-system-x86)")
    if os.geteuid() != 0:
        raise Missing("root only: a root of packages is packed by its own cpio")
    root = Suite(SUITE).unpack(pythons.CACHE / "root-kernel", "linux-image-cloud-amd64", "python3", "dash", "coreutils", "cpio", "findutils")
    kernel = sorted(root.glob("boot/vmlinuz-*"))[-1]
    if run.release("wheel", pythons.CACHE / "wheels-kernel", "amd64"):
        program(run, root)
        run.title("gosrv on %s of %s" % (kernel.name, SUITE))
        said = subprocess.run(booted(kernel, packed(root)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=LIMIT).stdout
        good = "smoke: good on Linux" in said
        print(said[-200:] if good else said)
        run.totals.add(passed=int(good), failed=int(not good), note=None if good else "the smoke test on " + kernel.name)


def program(run, root):
    """gosrv as it is published, and the test, in the root."""
    from platforms import musl

    wheel = next((pythons.CACHE / "wheels-kernel").glob("*manylinux*.whl"))
    musl.program(wheel, root, "gosrv")
    shutil.copy(Path(__file__).with_name("kernel_init.py"), root / "init")
    (root / "init").chmod(0o755)


def packed(root):
    """The root as an archive that the kernel unpacks into memory: no disk, no module."""
    archive = root.with_name("root-kernel.cpio")
    keep = "find . -xdev ( -path ./boot -o -path ./usr/lib/modules -o -path ./usr/share/doc -o -path ./usr/share/man -o -path ./usr/share/locale ) -prune -o -print0"
    with open(archive, "wb") as out:
        found = subprocess.Popen(["chroot", str(root), *keep.split()], stdout=subprocess.PIPE)
        subprocess.run(["chroot", str(root), "cpio", "--null", "--create", "--format=newc", "--quiet"], stdin=found.stdout, stdout=out, check=True)
        if found.wait() != 0:
            raise Missing("the root cannot be packed")
    return archive


def booted(kernel, archive):
    """The command that starts the machine; what it says on its console is its output."""
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nographic", "-no-reboot", "-nodefaults",
            "-serial", "stdio", "-kernel", str(kernel), "-initrd", str(archive), "-append", "console=ttyS0 panic=-1 quiet no_timer_check"]
