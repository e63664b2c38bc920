"""Events that come again and again: what the short runs of the suite and the long ones of the soak share."""
import os
import resource
import select
import signal
import socket
import time

import pytest

import harness
import procs
from classifier import Clients
from waiting import wait_for

# How `numbered` is written anew for each reload: every second one cannot be imported.
BROKEN = "raise RuntimeError('this code does not import')\n"


def reloads_under_load(start, folder, seconds, worker_class=()):
    """A HUP every second, each with other code, under load. Returns the clients and how many reloads failed as they had to."""
    good = (harness.APPS / "numbered.py").read_text()
    module = folder / "reloaded.py"

    def put(text):
        new = folder / "reloaded.py.new"
        new.write_text(text)
        new.rename(module)

    put(good)
    server = start("reloaded", "-w", "2", "--keep-alive", "1", "--log-level", "info", *worker_class, cwd=folder, log_level=None, ready="/?0")
    server.wait_workers(2)
    hups = broken = 0
    with Clients(server.address, idle_timeout=2.0) as clients:
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            bad = hups % 4 == 3
            put(BROKEN if bad else good + "# %d\n" % hups)
            hups, broken = hups + 1, broken + bad
            server.send_signal(signal.SIGHUP)
            # The code must stay until it was read; a HUP that comes earlier than that is answered by the next code.
            wait_for(lambda: server.log.count("Handling signal: hup") >= hups and settled(server), "the outcome of a reload", 60)
            clients.progress(60)
            clients.over.wait(max(0.0, begun + hups - time.monotonic()))
        failed = server.log.count("Reload failed")
        done = server.log.count(" serves\n")
        assert failed == broken and done == hups - broken, "%d failed of %d broken, %d done of %d\n%s" % (failed, broken, done, hups, server.log)
        server.send_signal(signal.SIGTERM)
        assert server.wait_end() == 0
    return clients, hups


def settled(server):
    """As many outcomes as orders are in the log."""
    log = server.log
    return log.count("Reload failed") + log.count(" serves\n") >= log.count("Handling signal: hup")


class Sleepers:
    """Many connections that are open and idle between two requests, asked once more at will."""

    def __init__(self, address, count):
        self.address = address
        self.open = []
        for number in range(count):
            self.open.append(self.connect())
            if number % 100 == 99:
                self.ask(range(number - 99, number + 1))
        self.ask(range(count - count % 100, count))

    def connect(self):
        made = socket.create_connection(self.address, timeout=30)
        return made

    def ask(self, numbers):
        """A request on each of these connections; all must be answered. One that the answer closes, or that a worker on its way out has
        closed while it was idle, is replaced by a new one: a client looks before it sends."""
        numbers = list(numbers)
        closed = 0
        for n in numbers:
            if self.ended_meanwhile(self.open[n]):
                closed += 1
                self.open[n].close()
                self.open[n] = self.connect()
            self.open[n].sendall(b"GET /?%d HTTP/1.1\r\nHost: t\r\n\r\n" % n)
        for n in numbers:
            got = b""
            want = b"\r\n\r\n%d" % n
            while not got.endswith(want):
                data = self.open[n].recv(4096)
                assert data, "connection %d: end of file after %r" % (n, got)
                got += data
            assert got.startswith(b"HTTP/1.1 200 "), got
            if b"\r\nConnection: close\r\n" in got:
                closed += 1
                assert self.open[n].recv(1) == b""
                self.open[n].close()
                self.open[n] = self.connect()
        return closed

    @staticmethod
    def ended_meanwhile(one):
        """An end of file waits; a reset, or a byte, is an error."""
        ready = select.poll()
        ready.register(one, select.POLLIN)
        return bool(ready.poll(0)) and (one.recv(1) == b"" or pytest.fail("bytes that nobody asked for"))

    def everybody(self):
        return sum(self.ask(range(first, min(first + 100, len(self.open)))) for first in range(0, len(self.open), 100))

    def until(self, gone):
        """Ask everybody, again and again, until the old workers have nothing left to wait for: one that was asked before they knew
        that they are to leave has kept its connection."""
        closed = self.everybody()
        deadline = time.monotonic() + 60
        while not gone():
            assert time.monotonic() < deadline, "the old workers wait for something"
            closed += self.everybody()
        return closed

    def ended(self):
        """Wait for the server's end of each connection: an end of file, never a reset and never a byte."""
        for one in self.open:
            assert one.recv(1) == b""
            one.close()
        self.open = []


def many_open(start, count, tmp_path):
    """So many idle connections over HUP, USR2 and TERM; each is asked again after each event."""
    from masters import Succession

    server = start("numbered", "-w", "2", "--keep-alive", "300", "--graceful-timeout", "300", "--pid", tmp_path / "pid", "--log-level", "info",
                   log_level=None, balance=False, ready="/?0")
    masters = Succession(server, tmp_path / "pid")
    old = server.wait_workers(2)
    crowd = Sleepers(server.address, count)
    figures = {}

    begun = time.monotonic()
    server.send_signal(signal.SIGHUP)
    server.wait_log("Generation 2 serves")
    closed = crowd.until(lambda: not any(map(procs.alive, old)))
    figures["HUP"] = (time.monotonic() - begun, closed)
    server.wait_workers(2, without=old)

    begun = time.monotonic()
    new = masters.begin()
    server.wait_log(r"The new master \(pid:%d\) serves" % new)
    os.kill(server.pid, signal.SIGTERM)
    server.wait_log("Handling signal: term")
    closed = crowd.until(lambda: server.process.poll() is not None)
    figures["USR2, TERM"] = (time.monotonic() - begun, closed)
    assert server.process.wait(30) == 0
    masters.pid = new
    wait_for(lambda: masters.recorded() == new, "the promotion")

    begun = time.monotonic()
    os.kill(new, signal.SIGTERM)
    crowd.ended()
    wait_for(lambda: not procs.alive(new), "the end of the server", 60)
    figures["TERM"] = (time.monotonic() - begun, count)
    server.stopped = True
    server._nothing_left()
    return figures


def room_for(descriptors):
    """Let this process and its servers have so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= descriptors, "the machine allows %d descriptors" % hard


def marked(mark):
    """Processes with this word in their environment, wherever they have gone."""
    found = []
    for proc in procs.table():
        try:
            with open("/proc/%d/environ" % proc.pid, "rb") as f:
                if mark.encode() in f.read() and proc.alive:
                    found.append(proc)
        except OSError:
            continue
    return found


def start_and_stop(start, cycles, *args):
    """Start, one answer, TERM: whatever threads the application has. Returns the longest stop, in seconds."""
    grace, longest = 10, 0.0
    for cycle in range(cycles):
        mark = "GOSRV_TEST_CYCLE=%d.%d" % (os.getpid(), cycle)
        server = start("threads_of_all_kinds", "--graceful-timeout", str(grace), *args, bind="unix:DIR/s.sock", balance=False,
                       env=dict([mark.split("=")]))
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait_end(grace + 15) == 0, server.log
        longest = max(longest, time.monotonic() - begun)
        for word in ("Fatal", "panic", "SIGKILL", "SIGSEGV", "SIGABRT", "Traceback"):
            assert word not in server.log, "%s in cycle %d\n%s" % (word, cycle, server.log)
        assert not marked(mark), "left behind: %s" % marked(mark)
        assert not os.listdir(server.dir) or set(os.listdir(server.dir)) == {"stderr.log", "stdout.log"}
        server.stop()
    return longest


def possessions(pid):
    """Descriptors, threads and resident bytes of a process."""
    status = open("/proc/%d/status" % pid).read()
    field = lambda name: int(status.split(name + ":")[1].split()[0])
    return {"descriptors": len(os.listdir("/proc/%d/fd" % pid)), "threads": field("Threads"), "resident": field("VmRSS") << 10}


def at_rest(pid, descriptors=None):
    """Its possessions once every child that has ended is reaped, which closes the channels to it; and when it has no more than so
    many descriptors, or as many as it had at the looks before."""
    seen = []

    def look():
        if any(p.ppid == pid and not p.alive for p in procs.table()):
            return False
        seen.append(possessions(pid))
        if descriptors is not None:
            return seen[-1]["descriptors"] <= descriptors  # fewer if the look before met one on its way out
        return len(seen) > 3 and len({one["descriptors"] for one in seen[-3:]}) == 1

    wait_for(look, lambda: "%s descriptors, not %s" % (descriptors, [one["descriptors"] for one in seen[-5:]]))
    return seen[-1]


def reloads(server, times):
    """So many reloads, one after the other, each to its end: the workers before it have gone, too."""
    for _ in range(times):
        old = server.worker_pids()
        before = server.log.count(" serves\n")
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: server.log.count(" serves\n") > before, "the end of a reload", 30)
        server.wait_workers(len(old), without=old)
        wait_for(lambda: len(server.zygotes()) == 1, "the end of the old zygote")
