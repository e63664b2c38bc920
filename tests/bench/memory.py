"""Memory of each process of a Django server beside Gunicorn's, in MiB: PSS, and what of it is private and shared.

    python tests/bench/memory.py [--app page|site] [--requests 40,20000] [--workers 4] [--server 'gosrv,gunicorn --preload']

Run by a Python whose venv has Gunicorn, Django and WhiteNoise. page is one view with a template (apps/django_page.py), site the example
project. gosrv starts with a cache of its own, filled by an earlier start; --cold: with none. A figure is taken when the tree has rested for some
seconds after so many requests. PSS is a process's own pages and its share of those that it has in common with others; the
sum over a tree is what it takes from the machine. Unlike time, it is the same on a busy machine.
"""

import argparse
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench
import refork
import start

REST = 12  # s; gosrv gives back what it does not need when it has rested for one to ten
FIELDS = {"pss": ("Pss",), "private": ("Private_Clean", "Private_Dirty"), "shared": ("Shared_Clean", "Shared_Dirty"), "rss": ("Rss",)}


def of(pid):
    """{what: MiB} of one process."""
    rollup = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path("/proc/%d/smaps_rollup" % pid).read_text(), re.M))
    return {what: sum(int(rollup[name]) for name in names) / 1024 for what, names in FIELDS.items()}


def role(pid, top):
    """gosrv's processes name themselves; Gunicorn's are told by their place."""
    name = Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")[0].decode(errors="replace")
    named = re.match(r"gosrv: (\w+)", name)
    return named.group(1) if named else "master" if pid == top else "worker"


def snapshot(pid):
    """[(role, {what: MiB})] of the tree."""
    return [(role(p, pid), of(p)) for p in bench.tree(pid)]


APPS = {"page": (bench.HERE / "apps", "django_page", "/page/3?wanted=a"), "site": (start.SITE, "myproject.wsgi", "/")}


def measure(command, workers, counts, app, env, rest=REST):
    """{count: snapshot after so many requests}. Each request has a connection of its own, so that all workers get their share."""
    folder, name, path = APPS[app]
    port, found, done = bench.free_port(), {}, 0
    process = subprocess.Popen(
        command + ["-w", str(workers), "-b", "127.0.0.1:%d" % port, "--log-level", "critical", name],
        cwd=folder, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        refork.listens(port, process)
        for count in counts:
            refork.load(port, count - done, [path])
            done = count
            time.sleep(rest)
            found[count] = snapshot(process.pid)
        return found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def show(name, count, processes):
    """One row for the tree, and one for each kind of process: the workers' is their median."""
    total = sum(sizes["pss"] for _, sizes in processes)
    print("| **%s** | %d | **%.1f** | | | |" % (name, count, total), flush=True)
    for kind in ("master", "zygote", "seed", "worker"):
        group = [sizes for role, sizes in processes if role == kind]
        if group:
            cells = ["%.1f" % statistics.median(sizes[what] for sizes in group) for what in ("pss", "private", "shared", "rss")]
            print("| %s%s | | %s |" % (kind, " (median of %d)" % len(group) if len(group) > 1 else "", " | ".join(cells)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="40,20000")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--app", choices=APPS, default="page")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--server", default=",".join(start.SERVERS))
    parser.add_argument("extra", nargs="*", help="further settings of the servers, after --")
    args = parser.parse_args()
    counts = sorted(int(count) for count in args.requests.split(","))
    with tempfile.TemporaryDirectory() as data:
        start.prepare(data)
        env = dict(start.environment(data), XDG_CACHE_HOME="/dev/null" if args.cold else data)
        if not args.cold:
            measure(start.GOSRV, 2, [2], args.app, env, rest=0)
        print("| | requests | PSS | private | shared | RSS |\n|---|---|---|---|---|---|")
        for name in args.server.split(","):
            for count, processes in measure(start.SERVERS[name] + args.extra, args.workers, counts, args.app, env).items():
                show(name, count, processes)


if __name__ == "__main__":
    main()
