"""A view of the file system of a server's own, where this machine lets root make one: folders that are read-only, full or not there."""
import os
import shutil
import subprocess

import pytest


def allowed():
    return os.geteuid() == 0 and shutil.which("unshare") is not None and \
        subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


needed = pytest.mark.skipif(not allowed(), reason="needs root and mount namespaces (unshare -m)")


def under(*steps):
    """What stands before a command that is to see the file system after these shell commands."""
    return ["unshare", "-m", "--propagation", "private", "/bin/sh", "-ec", "; ".join(steps) + '; exec "$0" "$@"']


def read_only(folder):
    """The folder as it is, but nobody may write into it: what lies below it (the sources, perhaps) is still found."""
    return "mount --bind '%s' '%s'; mount -o remount,bind,ro '%s'" % (folder, folder, folder)


def small(folder, size):
    return "mount -t tmpfs -o size=%s none '%s'" % (size, folder)
