"""A control group with little memory, or few processes and threads, where this machine lets us make one."""
import os

from waiting import wait_for

MEMORY = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))
PIDS = (("/sys/fs/cgroup/pids", "pids.max"), ("/sys/fs/cgroup", "pids.max"))


def own(root):
    """The folder of this process's own cgroup below root."""
    with open("/proc/self/cgroup") as f:
        for line in f:
            _, controllers, path = line.strip().split(":", 2)
            if controllers == root[len("/sys/fs/cgroup/"):]:
                return root + path
    return root


class Group:
    """`path` is None where there can be none: programs then start as they are."""

    def __init__(self, path, knob=None):
        self.path, self.knob = path, knob

    def program(self, argv):
        if self.path is None:
            return argv
        return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path] + argv

    def change(self, limit):
        with open(os.path.join(self.path, self.knob), "w") as f:
            f.write(str(limit))

    def remove(self):
        if self.path is not None:
            wait_for(self.gone, "the end of %s" % self.path)

    def gone(self):
        try:
            os.rmdir(self.path)
        except OSError:
            return False  # a process in it has not been reaped yet
        return True


def make(limit, what=MEMORY):
    for root, knob in what:
        for parent in (own(root), root):
            path = os.path.join(parent, "gosrv-test-%d" % os.getpid())
            if not os.path.exists(os.path.join(parent, "cgroup.procs")):
                continue  # a plain folder
            try:
                os.mkdir(path)
            except OSError:
                continue
            try:
                with open(os.path.join(path, knob), "w") as f:
                    f.write(str(limit))
                with open(os.path.join(path, "cgroup.procs"), "a"):
                    return Group(path, knob)
            except OSError:
                os.rmdir(path)
    return Group(None)
