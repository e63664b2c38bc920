"""A machine whose process 1 is a real systemd, in namespaces and a control group of its own, on a root made of packages."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import procs
from waiting import wait_for

# Only version 2 of control groups is shown to it, whatever this machine has. $1 the root, $2 the name of a new group.
BOOT = """
umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup || exit 1
mkdir "/sys/fs/cgroup/$2" && echo $$ > "/sys/fs/cgroup/$2/cgroup.procs" || exit 1
exec unshare --pid --fork --kill-child=KILL --mount --uts --ipc --net --cgroup sh -c '
  mount --bind "$1" "$1" && cd "$1" && mount -t proc proc proc && mount -t sysfs sysfs sys && mount -t cgroup2 none sys/fs/cgroup || exit 1
  for name in run tmp dev; do mount -t tmpfs tmpfs $name || exit 1; done
  mkdir dev/pts dev/shm; mount -t tmpfs tmpfs dev/shm
  for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
  exec env -i container=gosrv-test PATH=/usr/sbin:/usr/bin chroot . /usr/lib/systemd/systemd' sh "$1"
"""
CLEAN = 'mount -t cgroup2 none "$1" && find "$1/$2" -depth -type d -exec rmdir {} +'


def missing():
    """Why this machine cannot have one, or None."""
    if os.geteuid() != 0:
        return "root only: namespaces and mounts"
    with open("/proc/filesystems") as f:
        if "cgroup2" not in f.read():
            return "this kernel has no cgroup2"
    return None


class Machine:
    def __init__(self, base):
        """base: a root with systemd, which is left as it is."""
        self.folder = Path(tempfile.mkdtemp(prefix="gosrv-e2e-"))
        self.root = self.folder / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)
        self.group = "gosrv-test-%d" % os.getpid()
        self.process = self.pid = None

    def boot(self):
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", BOOT, "sh", str(self.root), self.group],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(self.booted, "process 1", 60)
        return self

    def booted(self):
        assert self.process.poll() is None, "no systemd: " + self.process.stderr.read()
        found = [child for child in procs.children(self.process.pid) if "systemd" in child.title]
        self.pid = found[0].pid if found else None
        return found and self.run("systemctl", "is-active", "basic.target").stdout == "active\n"

    def run(self, *words, timeout=120):
        """A command inside."""
        return subprocess.run(["nsenter", "--target", str(self.pid), "--all", "--root", "--wd", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)

    def path(self, path):
        """A path of the machine's, as this one reaches it."""
        return Path("/proc/%d/root%s" % (self.pid, path))

    def end(self):
        if self.process:
            self.process.kill()  # and process 1 with it, and all else with that
            self.process.communicate()
            if self.pid:
                wait_for(lambda: not procs.alive(self.pid), "the end of process 1", 30)
        place = self.folder / "cgroup"
        place.mkdir()
        clean = ["unshare", "--mount", "--propagation", "private", "sh", "-c", CLEAN, "sh", str(place), self.group]
        wait_for(lambda: subprocess.run(clean, capture_output=True).returncode == 0, "an empty control group", 30)
        shutil.rmtree(self.folder)
