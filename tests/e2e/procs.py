"""Processes as /proc shows them: who is whose child, what they are called, which group they are in."""
import os
import shutil
import signal


class Proc:
    """One line of the process table at the time it was read."""

    def __init__(self, pid):
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            self.title = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        if "/qemu-aarch64 " in self.title:  # an emulator shows its own command line; the name is the program's
            with open("/proc/%d/comm" % pid) as f:
                self.title = f.read().strip()
        self.pid = pid
        self.state = fields[0]
        self.ppid = int(fields[1])
        self.group = int(fields[2])
        self.start = int(fields[19])

    @property
    def alive(self):
        return self.state not in "ZX"

    def __repr__(self):
        return "%d (parent %d, %s) %s" % (self.pid, self.ppid, self.state, self.title[:60])


def table():
    """Every process that can be read now; those that end meanwhile are left out."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found.append(Proc(int(name)))
            except (OSError, IndexError):
                continue
    return found


def children(pid):
    return [p for p in table() if p.ppid == pid and p.alive]


def group(pgid):
    return [p for p in table() if p.group == pgid and p.alive]


def alive(pid):
    try:
        return Proc(pid).alive
    except (OSError, IndexError):
        return False


def kill(pid, sig=signal.SIGKILL):
    """Send a signal to a process that may be gone already."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def finish(process, sig, folder, log, timeout=20):
    """Stop a server of the tests' gracefully and take its folder away, which stays, as its processes do not, when there was no such end."""
    process.send_signal(sig)
    try:
        assert process.wait(timeout) == 0, log()
    except BaseException:
        finish_off(process)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def finish_off(process):
    """End a server of the tests' and its group by pid."""
    for proc in group(process.pid):
        kill(proc.pid)
    process.wait(5)


def open_fds(pid):
    """The descriptors of a process, as {number: link}."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            continue
    return found
