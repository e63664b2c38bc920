"""What a request costs in memory that only waits: thousands of clients at once, each with a request that sleeps. Each server runs alone."""

import os
import resource
import socket
import time

import checks
import peers
import processes
import scenarios

CLIENTS = 10_000
SLEEP = 120  # seconds, longer than all of it takes
SPARE = 1_000  # descriptors for the rest of the client and of the server
PATIENCE = 60


def estimate(there):
    return len(there) * 15.0


def clients():
    """As many as the limit of open files allows, after it was raised as far as may be; the servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(CLIENTS, most - SPARE)


def asleep(server, count):
    """Sockets of clients whose requests sleep now, all of them, in this server."""
    found = []
    for _ in range(count):
        found.append(socket.create_connection(("127.0.0.1", server.port), 20))
        found[-1].sendall(scenarios.request("/"))
    wire, end = checks.Wire(server.port), time.monotonic() + PATIENCE
    while (body := wire.ask(scenarios.request("/count")).body) != b"%d" % count:
        if time.monotonic() > end:
            raise processes.NotServing("only %s of %d requests run after %d s" % (body.decode(), count, PATIENCE))
        time.sleep(0.1)
    wire.close()
    return found


def one(peer, installed, scratch, count):
    folder = scratch / ("asleep-" + peer.name.replace(" ", "-"))
    folder.mkdir()
    port = processes.free_port()
    command = peer.command(peers.Setup("asleep", port, folder, installed.bin_of(peer)))
    apps = peers.HERE / "apps"
    environment = dict(os.environ, PYTHONPATH=str(apps), SLEEP=str(SLEEP))
    server = processes.Server(command, "0,1", apps, environment, folder / "output", port)
    found = []
    try:
        server.wait()
        wire = checks.Wire(port)
        wire.ask(scenarios.request("/count"))
        wire.close()
        _, before = processes.memory(server.pid)
        found = asleep(server, count)
        rss, pss = processes.memory(server.pid)
        return {"each": (pss - before) * 1024 / count, "pss": pss, "rss": rss, "before": before, "clients": count,
                "processes": len(processes.tree(server.pid))}, command
    finally:
        for s in found:
            s.close()
        server.stop()


def measure(there, installed, scratch, say):
    """The scenario's part of raw.json."""
    rows, count = {}, clients()
    for peer in there:
        row = rows[peer.name] = {"peer": peer.name, "rounds": [], "remarks": []}
        try:
            result, command = one(peer, installed, scratch, count)
        except (processes.NotServing, checks.Wrong, OSError) as why:
            row["failed"] = peers.shown(str(why))[:300]
            say("green-asleep: %s failed: %s" % (peer.name, row["failed"]))
            continue
        row["rounds"].append(result)
        row["command"] = peers.shown(" ".join(map(str, command)))
        say("green-asleep: %-26s %.1f KiB each, %.0f MiB in all" % (peer.name, result["each"], result["pss"]))
    return {"title": scenarios.WHOLE["green-asleep"], "main": "each", "rows": rows}
