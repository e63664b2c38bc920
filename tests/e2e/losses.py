"""What is lost at each event of a server's life, for gosrv or Gunicorn, measured by the same clients.

    python losses.py [gosrv|gunicorn] [times]     prints the table
"""
import os
import shutil
import signal
import sys

import procs
from classifier import Clients
from masters import Succession
from waiting import TimedOut, wait_for

CLASSES = {"sync": (), "threads": ("--threads", "4"), "preload": ("--preload",), "reuse-port": ("--reuse-port",)}
STEP = 60  # answers between two events
KEEP_ALIVE = ("--keep-alive", "1")  # short, so that many requests meet its end


def idle_timeout(server):
    """Seconds after which the server closes an idle connection: its own word, plus the second it adds."""
    with server.wire() as wire:
        said = wire.get("/?0").get("Keep-Alive", "")
    return float(said.partition("timeout=")[2].partition(",")[0]) + 1 if "timeout=" in said else 2.0


def settled(server, count, old):
    """No old worker is left and `count` new ones are there; Gunicorn may need longer than the next event can wait."""
    try:
        server.wait_workers(count, without=old, timeout=10)
    except TimedOut:
        pass


def hups(server, clients, times):
    for _ in range(times):
        old = server.worker_pids()
        server.send_signal(signal.SIGHUP)
        settled(server, 2, old)
        clients.progress(STEP)


def upgrades(server, clients, times):
    masters = server.masters
    for _ in range(times):
        new = masters.begin()
        if server.kind == "gosrv":
            wait_for(lambda: "The new master (pid:%d) serves" % new in server.log, "its readiness")
        else:
            wait_for(lambda: len(procs.children(new)) >= 2, "its workers")
        clients.progress(STEP)
        masters.end_old(new)
        wait_for(lambda: masters.recorded() == new, "the promotion")
        clients.progress(STEP)


def recycling(server, clients, times):
    clients.progress(times * 200)


def resizing(server, clients, times):
    for _ in range(times):
        server.send_signal(signal.SIGTTIN)
        clients.progress(STEP)
        server.send_signal(signal.SIGTTOU)
        clients.progress(STEP)


def kills(server, clients, times):
    for _ in range(times):
        pids = server.wait_workers(2)
        procs.kill(pids[0])
        server.wait_workers(2, without=pids[:1])
        clients.progress(STEP)


def stop(server, clients, times):
    clients.progress(STEP)


EVENTS = {
    "HUP": (hups, ()), "USR2": (upgrades, ()), "max_requests": (recycling, ("--max-requests", "50", "--max-requests-jitter", "20")),
    "TTIN, TTOU": (resizing, ()), "kill -9": (kills, ()), "TERM": (stop, ()),
}


def measure(start, event, worker_class, times, **load):
    """Run one event under load and end with TERM under load; returns the clients with their counts."""
    happen, args = EVENTS[event]
    server = start("numbered", "-w", "2", "--pid", "DIR/pid", "--log-level", "info", *KEEP_ALIVE, *CLASSES[worker_class], *args,
                   balance=False, log_level=None, ready="/?0")
    server.wait_workers(2)
    server.masters = Succession(server, server.dir / "pid")
    with Clients(server.address, idle_timeout=idle_timeout(server), **load) as clients:
        clients.progress(STEP)
        happen(server, clients, times)
        os.kill(server.masters.pid, signal.SIGTERM)
        wait_for(lambda: not procs.alive(server.masters.pid), "the end of the server", 40)
    if server.masters.pid == server.pid:
        assert server.wait_end() == 0
    else:
        server.stopped = True
        server._nothing_left()
    shutil.rmtree(server.dir, ignore_errors=True)
    return clients


def main():
    import harness

    os.environ["TEST_SERVER"] = sys.argv[1] if len(sys.argv) > 1 else "gosrv"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    for worker_class in CLASSES:
        if worker_class == "reuse-port" and harness.kind() == "gunicorn":
            continue  # its workers bind by themselves: port 0 would be another port for each
        for event in EVENTS:
            print("| %s %s | %s x%d | %s |" % (harness.kind(), worker_class, event, times, measure(harness.Server, event, worker_class, times)), flush=True)


if __name__ == "__main__":
    main()
