"""Server processes as the benchmark sees them: CPU and memory of a whole tree from /proc, start, and a sure end."""

import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Make this process the parent of whatever a server leaves behind, so that nothing escapes `Server.stop`."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def free_port():
    """A port that nobody listens at, below those that the kernel gives to clients: the load itself would take it."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1024, lowest - 16384), lowest)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def stat_fields(pid):
    """The fields of /proc/PID/stat behind the name, from the state on; None when the process is gone."""
    try:
        return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree(pid):
    """pid, all its descendants, and whatever still is in its session, as a child of a process that has ended is."""
    parents, found = {}, [pid]
    for entry in os.listdir("/proc"):
        fields = stat_fields(int(entry)) if entry.isdigit() else None
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry))
            if int(fields[3]) == pid and int(entry) != pid:
                found.append(int(entry))
    for p in found:
        found += [child for child in parents.get(p, []) if child not in found]
    return found


class Usage:
    """CPU time of a tree at one moment, in two measures: clock ticks, which survive the threads and processes they
    were spent by, and the scheduler's nanoseconds of each living thread."""

    def __init__(self, ticks, threads):
        self.ticks = ticks      # user + system of the living, and of the dead that were waited for
        self.threads = threads  # {(pid, tid): ns}

    def until(self, later):
        """Seconds of CPU from this moment to a later one. Nanoseconds when the same threads lived all the time,
        ticks (of 10 ms, mostly) when some came or went."""
        if self.threads and self.threads.keys() == later.threads.keys():
            return sum(later.threads[key] - self.threads[key] for key in self.threads) / 1e9
        return (later.ticks - self.ticks) / TICK


def usage(pid):
    """What the tree of pid has used so far."""
    ticks, threads = 0, {}
    for p in tree(pid):
        fields = stat_fields(p)
        if not fields:
            continue
        ticks += sum(int(n) for n in fields[11:15])
        try:
            for tid in os.listdir("/proc/%d/task" % p):
                threads[p, int(tid)] = int(Path("/proc/%d/task/%s/schedstat" % (p, tid)).read_text().split()[0])
        except (OSError, ValueError):
            pass  # gone meanwhile: the ticks have it
    return Usage(ticks, threads)


def pss_of(pid):
    """Proportional set size of one process in MiB, 0 if it is gone."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path("/proc/%d/smaps_rollup" % pid).read_text(), re.M)
    except OSError:
        return 0.0
    return int(found.group(1)) / 1024 if found else 0.0


def memory(pid):
    """(RSS, PSS) of the tree in MiB. RSS counts shared pages once for each process, PSS once in all."""
    rss = pss = 0.0
    for p in tree(pid):
        fields = stat_fields(p)
        rss += int(fields[21]) * PAGE / 2**20 if fields else 0
        pss += pss_of(p)
    return rss, pss


class NotServing(Exception):
    """The server ended or does not accept; the text says what it printed last."""


class Server:
    """One server, pinned to the given cores, in a session of its own."""

    def __init__(self, command, cores="0", cwd=None, env=None, log=os.devnull, port=None):
        self.port = port
        self.log = Path(log)
        with open(log, "ab") as out:
            self.process = subprocess.Popen(["taskset", "-c", cores] + command, cwd=cwd, env=env, start_new_session=True,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.pid = self.process.pid

    def last_words(self):
        try:
            text = self.log.read_text(errors="replace").strip()
        except OSError:
            return ""
        return text.splitlines()[-1][:200] if text else ""

    def wait(self, seconds=20, pause=0.005):
        """Return when it accepts connections."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise NotServing("ended with code %d: %s" % (self.process.returncode, self.last_words()))
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(pause)
        raise NotServing("accepts no connection for %d s: %s" % (seconds, self.last_words()))

    def alive(self):
        return self.process.poll() is None

    def ask_to_stop(self):
        self.processes = tree(self.pid)
        if self.alive():
            self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds=3):
        """End it, kindly at first, and whatever it started. Call ask_to_stop on several first to end them together."""
        if not hasattr(self, "processes"):
            self.ask_to_stop()
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.alive():
            time.sleep(0.01)
        for p in set(self.processes + tree(self.pid)):
            fields = stat_fields(p)
            # A number may have been given to a stranger by now: only our session and our orphans are ended.
            if fields and (int(fields[3]) == self.pid or int(fields[1]) == os.getpid()):
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        self.reap()

    def reap(self):
        for p in self.processes:
            if p != self.pid:
                try:
                    os.waitpid(p, os.WNOHANG)
                except ChildProcessError:
                    pass  # not an orphan of this server
