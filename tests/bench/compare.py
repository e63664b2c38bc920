"""Measures gosrv and its peers side by side and writes a report that is good or bad as it comes.

    make bench                                   everything, about 40 minutes on two cores
    make bench APPLICATIONS=1                    the rows of the README's first screen, 12 minutes; MINUTES=6 takes fewer rounds
    make bench GREEN=1                           servers that run requests in greenlets, 3 minutes
    make bench QUICK=1                           the main rows in about three minutes
    make bench SCENARIO=hello,stream PEERS=gosrv,bjoern
    make bench RESUME=1                          go on with the newest report of today
    python tests/bench/compare.py --list         what there is

Each server is pinned to core 0 and wrk to core 1; all servers of a scenario run at the same time, idle but for their turn, and rounds are
interleaved. A server is timed only when its answers are right, byte for byte. The figures of the rounds stay in raw.json; report.py makes the table and the page from it.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import checks
import crowd
import front
import load
import peers
import processes
import scenarios
import start_and_memory
from figures import cpu_per_request

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results"
BARE = "bare C"
ROUND_EXTRA, START_TIME, CHECK_TIME = 0.1, 4.5, 0.2  # seconds, for the estimate: a round's own time, a scenario's, a row's
LEAST_ROUNDS = 2


class Progress:
    """Says on standard error what is going on, with the time that has passed and the estimate of the whole."""

    def __init__(self):
        self.begun, self.expected = time.monotonic(), 0.0

    def passed(self):
        return time.monotonic() - self.begun

    def __call__(self, text):
        clock = "%02d:%02d" % divmod(int(self.passed()), 60)
        if self.expected:
            clock += " of about %02d:%02d" % divmod(int(self.expected), 60)
        print("[%s] %s" % (clock, text), file=sys.stderr, flush=True)


say = Progress()


def machine():
    """What a reader needs to judge the figures."""
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": cpu, "cores": os.cpu_count(), "memory GiB": round(os.sysconf("SC_PHYS_PAGES") * processes.PAGE / 2**30, 1),
        "kernel": platform.release(), "system": next((line.partition("=")[2].strip().strip('"') for line in open("/etc/os-release")
                                                      if line.startswith("PRETTY_NAME")), ""),
        "compiler": subprocess.run(["go", "version"], capture_output=True, text=True).stdout.strip(),
        "client": (subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.splitlines() or [""])[0].partition(" Copyright")[0],
        "gosrv commit": git("rev-parse", "--short", "HEAD") + (" and uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""),
        "load when it began": "%.2f" % os.getloadavg()[0],
    }


class Row:
    """One server in one scenario."""

    def __init__(self, label, peer):
        self.label, self.peer, self.server = label, peer, None
        self.data = {"peer": peer.name if peer else BARE, "remarks": []}
        self.rounds = {}  # by the load's name

    def out(self, kind, why):
        """No figures for this row: it `lacks` a feature, is `wrong`, or `failed`."""
        self.data[kind] = peers.shown(str(why))[:300]
        if self.server:
            self.server.stop()
            self.server = None
        say("  %-26s %s: %s" % (self.label, kind, self.data[kind]))


class Run:
    """One scenario with all its servers."""

    def __init__(self, scenario, chosen, installed, programs, scratch, rounds):
        self.scenario, self.installed = scenario, installed
        self.limit, self.open_loop = programs
        self.rounds = rounds
        self.scratch = Path(scratch) / scenario.name
        self.scratch.mkdir()
        self.requests = scenario.requests()
        self.file = self.scratch / "requests"
        load.write_requests(self.file, self.requests)
        (self.scratch / "request").write_bytes(self.requests[0])  # for the open loop
        self.rows = [(Row(BARE, None), {})] if scenario.bare and "workers" not in scenario.entries[0] else []
        if "workers" in scenario.entries[0]:
            self.rows = [(Row("%s, %s" % (BARE, label), None), options) for label, options in zip(scenario.labels, scenario.entries)]
        self.rows += [(Row(label, peer), options) for label, peer, options in scenario.each(chosen)]

    def bare(self, port, options):
        answer, writes = scenarios.floor_answer(self.scenario, self.requests[0])
        path = self.scratch / "answer"
        path.write_bytes(answer)
        argv = [self.limit, str(port), "answer=%s" % path, "workers=%d" % options.get("workers", 1), "pieces=" + ",".join(map(str, writes))]
        argv += ["request=%d" % len(self.requests[0])] if len(self.requests[0]) > 8192 else []
        argv += ["close=1"] if any(b"Connection: close" in text for text in self.requests) else []
        return argv + (["delay=%d" % self.scenario.delay] if self.scenario.delay else [])

    def start(self, row, options):
        folder = self.scratch / row.label.replace(" ", "-").replace(",", "")
        folder.mkdir()
        folder.chmod(0o777)  # mod_wsgi gives up being root
        port = processes.free_port()
        try:
            if row.peer is None:
                command = self.bare(port, options)
            else:
                if options.get("threads", 0) > 1 and not row.peer.threads:
                    if not self.scenario.delay:
                        raise peers.Lacks("runs the application in one thread")
                    options = {}  # how it waits is what is to be seen
                    row.data["remarks"].append(row.peer.waits)
                options = dict(options, log=str(folder / options["log"])) if "log" in options else options
                command = row.peer.command(peers.Setup(self.scenario.app, port, folder, self.installed.bin_of(row.peer), **options))
        except peers.Lacks as why:
            return row.out("lacks", why)
        row.data["command"] = peers.shown(" ".join(map(str, command)))
        environment = dict(os.environ, PYTHONPATH=str(HERE / "apps"), PATH="%s:%s" % (self.installed.bin_of(row.peer), os.environ["PATH"]))
        row.server = processes.Server(command, self.scenario.server_cores, HERE / "apps", environment, folder / "output", port)

    def check(self, row):
        try:
            row.server.wait()
            if row.peer:
                row.data["remarks"] += checks.check(self.scenario, self.requests, row.server.port)
        except processes.NotServing as why:
            row.out("failed", why)
        except checks.Wrong as why:
            row.out("failed" if not row.server.alive() else "wrong", why if row.server.alive() else "died of the check: %s" % why)

    def idle(self):
        """A server that works though nobody asks takes its time from the others: that is to be seen."""
        running = [row for row, _ in self.rows if row.server]
        before = [processes.usage(row.server.pid) for row in running]
        time.sleep(0.5)
        for row, was in zip(running, before):
            share = was.until(processes.usage(row.server.pid)) / 0.5
            if share > 0.03:
                row.data["remarks"].append("uses %.0f %% of a core when idle" % (share * 100))

    def asked(self, row, how):
        """What the client of a load counted in a round."""
        s, port = self.scenario, row.server.port
        if how.share:
            capacity = statistics.median(r["rps"] for r in row.rounds[s.loads[0].name])
            return load.run_open(self.open_loop, port, self.scratch / "request", capacity * how.share, how.connections, how.seconds, s.client_cores)
        return load.run(port, self.file, len(self.requests) > 1, how.connections, how.seconds, s.client_cores, len(s.client_cores.split(",")))

    def round(self, row, how):
        server = row.server
        before = processes.usage(server.pid)
        try:
            result = self.asked(row, how)
        except (RuntimeError, subprocess.TimeoutExpired) as why:
            return row.out("failed", why)
        used = before.until(processes.usage(server.pid))
        if not server.alive():
            return row.out("failed", "died under load: %s" % server.last_words())
        rss, pss = processes.memory(server.pid)
        result.update(rps=result["requests"] / result["seconds"], cpu=cpu_per_request(used, result["requests"]), server=used / result["seconds"], rss=rss, pss=pss)
        if result["cpu"] is None:
            return row.out("failed", "answered nothing under load, errors: %s" % result["errors"])
        row.rounds.setdefault(how.name, []).append(result)
        return result

    def turns(self, n):
        """The rows that run, another one first in each round."""
        running = [row for row, _ in self.rows if row.server]
        return running[n % max(1, len(running)):] + running[:n % max(1, len(running))]

    def rounds_of_all(self):
        for n in range(self.rounds):
            for how in self.scenario.loads:
                for row in self.turns(n):
                    result = self.round(row, how)
                    if result:
                        say("%s, round %d of %d: %-26s %8.0f requests/s %9.2f us  p99 %.2f ms" % (
                            self.scenario.part(how), n + 1, self.rounds, row.label, result["rps"], result["cpu"], result["p99"]))

    def measure(self):
        """The scenario's parts of raw.json, by name."""
        try:
            for row, options in self.rows:
                self.start(row, options)
            for row, _ in self.rows:
                if row.server:
                    self.check(row)
            self.idle()
            self.rounds_of_all()
        finally:
            running = [row.server for row, _ in self.rows if row.server]
            for server in running:
                server.ask_to_stop()
            for server in running:
                server.stop()
        return {self.scenario.part(how): self.part(how) for how in self.scenario.loads}

    def part(self, how):
        title = self.scenario.title + (", " + how.title if how.title else "")
        return {"title": title, "connections": how.connections, "seconds": how.seconds, "main": how.main, "share": how.share,
                "rows": {row.label: dict(row.data, rounds=row.rounds.get(how.name, [])) for row, _ in self.rows}}


class Plan:
    """Which servers each scenario has, how many rounds, and how long that will take."""

    def __init__(self, there, named, rounds):
        self.there, self.named, self.asked, self.share = there, named, rounds, 1.0

    def peers(self, scenario):
        return [peer for peer in self.there if scenario.takes(peer, self.named)]

    def rounds(self, scenario):
        """As asked for; else the scenario's own, shortened where time is short, to no fewer than a ratio needs."""
        return self.asked or max(min(LEAST_ROUNDS, scenario.rounds), int(scenario.rounds * self.share))

    def seconds(self, chosen):
        total = 0.0
        for s in chosen:
            rows = int(s.bare) + sum(1 for _, peer, options in s.each(self.peers(s))
                                     if (peer.log or "log" not in options) and (peer.workers or options.get("workers", 1) == 1))
            total += START_TIME + rows * (CHECK_TIME + self.rounds(s) * sum(how.seconds + ROUND_EXTRA for how in s.loads))
        return total

    def fit(self, chosen, seconds):
        """Take fewer rounds of everything, until it fits or no fewer will do."""
        while self.seconds(chosen) > seconds and self.share > 0.1:
            self.share -= 0.05

    def whole(self, name):
        """The servers of what is measured by other means."""
        if name == "green-asleep":
            return [p for p in self.there if p.name in scenarios.GREEN_PEERS]
        return [p for p in self.there if p.memo and not p.green]

    def whole_seconds(self, name):
        return crowd.estimate(self.whole(name)) if name == "green-asleep" else start_and_memory.estimate(name, self.whole(name))


def folder_for(args):
    """Where the report goes: a new folder of today, or with --resume the newest one."""
    ending = "-part" if args.scenario or args.peers or args.quick else "-applications" if args.applications else "-green" if args.green else ""
    kind = time.strftime("%Y-%m-%d") + ending
    taken = sorted((p.parent for p in RESULTS.glob(kind + "*/raw.json") if re.fullmatch(re.escape(kind) + r"(-\d+)?", p.parent.name)),
                   key=lambda p: p.stat().st_mtime)
    if args.resume:
        if not taken:
            sys.exit("there is no report of today to go on with")
        return taken[-1]
    name, n = kind, 2
    while (RESULTS / name / "raw.json").exists():
        name, n = "%s-%d" % (kind, n), n + 1
    (RESULTS / name).mkdir(parents=True, exist_ok=True)
    return RESULTS / name


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenario", default="", help="names with commas between")
    parser.add_argument("--peers", default="", help="names with commas between; the beginning of a name is enough")
    parser.add_argument("--applications", action="store_true", help="the rows of the README's first screen; it gets them")
    parser.add_argument("--green", action="store_true", help="servers that run requests in greenlets")
    parser.add_argument("--quick", action="store_true", help="the main rows in about three minutes")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of every scenario [4 of applications, 6 of hello and its like, 3 of the others]")
    parser.add_argument("--minutes", type=float, default=0, help="take fewer rounds, and begin no scenario that would end later than this\n[40; with --applications 12]")
    parser.add_argument("--resume", action="store_true", help="go on with the newest report of today: what it has is kept")
    parser.add_argument("--list", action="store_true", help="show scenarios and peers")
    args = parser.parse_args()
    sets = {args.quick: scenarios.QUICK, args.applications: scenarios.APPLICATIONS, args.green: scenarios.GREEN}
    args.scenarios = [n for n in args.scenario.split(",") if n] or list(sets.get(True, ()))
    args.minutes = args.minutes or (12 if args.applications else 40)
    args.names = [n.strip() for n in args.peers.split(",") if n.strip()] or (list(scenarios.QUICK_PEERS) if args.quick else [])
    if args.quick and not args.rounds:
        args.rounds = 3
    return args


def servers(args, chosen, whole):
    """The peers to install and to start: those that a scenario is about, or that were named."""
    if args.names:
        return peers.chosen(args.names)
    if args.applications:
        return [p for p in peers.PEERS if p.name in scenarios.APPLICATION_PEERS]
    green = [p for p in peers.PEERS if p.name in scenarios.GREEN_PEERS] if "green-asleep" in whole else []
    return [p for p in peers.PEERS if p in green or set(whole) - {"green-asleep"} or any(s.takes(p, ()) for s in chosen)]


def listing():
    for s in scenarios.SCENARIOS:
        print("%-12s %s" % (s.name, s.title + (" (%s)" % "; ".join(how.title for how in s.asked) if s.asked else "")))
    for name, title in scenarios.WHOLE.items():
        print("%-12s %s" % (name, title))
    print("\nservers: bare C, " + ", ".join(p.name for p in peers.PEERS))


def save(path, raw):
    """Whole or not at all: a run that is cut short leaves the last complete state."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(raw, indent=1))
    new.replace(path)


def measure_all(args, raw, path, chosen, whole, plan, installed, scratch):
    limit = str(Path(scratch) / "limit")
    subprocess.run(["cc", "-O2", "-Wall", "-o", limit, str(HERE / "limit.c")], check=True)
    programs = limit, load.build_open_loop(scratch)
    todo = [s for s in chosen if s.name not in raw["scenarios"]]
    whole = [name for name in whole if name not in raw["scenarios"]]
    last = sum(map(plan.whole_seconds, whole))
    plan.fit(todo, args.minutes * 60 - last)
    say.expected = say.passed() + plan.seconds(todo) + last
    raw["left out"] = []
    save(path, raw)
    for s in todo:
        if say.passed() + plan.seconds([s]) > args.minutes * 60:
            raw["left out"].append(s.name)
            continue
        say("%s: %s" % (s.name, s.title))
        raw["scenarios"].update(Run(s, plan.peers(s), installed, programs, scratch, plan.rounds(s)).measure())
        save(path, raw)
    for name in whole:
        if say.passed() + plan.whole_seconds(name) > args.minutes * 60:
            raw["left out"].append(name)
            continue
        say("%s: %s" % (name, scenarios.WHOLE[name]))
        there = plan.whole(name)
        raw["scenarios"][name] = (crowd.measure(there, installed, Path(scratch), say) if name == "green-asleep" else
                                  start_and_memory.measure(name, there, installed, Path(scratch), say))
        save(path, raw)
    raw["ended"] = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    save(path, raw)


def main():
    args = arguments()
    if args.list:
        return listing()
    if os.cpu_count() < 2 or not shutil.which("wrk"):
        sys.exit("two cores and wrk are needed (Debian: apt-get install wrk)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal; --resume goes on"))
    processes.adopt_orphans()
    chosen, whole = scenarios.chosen(args.scenarios)
    wanted = servers(args, chosen, whole)
    installed = peers.Installed(say)
    there, missing = installed.peers(wanted)
    folder = folder_for(args)
    path = folder / "raw.json"
    raw = json.loads(path.read_text()) if path.exists() else {"begun": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "scenarios": {}}
    raw["machine"] = dict(machine(), python=str(installed.python))
    raw["missing"] = missing
    raw["peers"] = {p.name: {"version": installed.version(p), "settings": p.why} for p in wanted}
    say.begun = time.monotonic()  # installing does not count
    with tempfile.TemporaryDirectory(prefix="gosrv-bench-") as scratch:
        os.chmod(scratch, 0o755)
        measure_all(args, raw, path, chosen, whole, Plan(there, args.names, args.rounds), installed, scratch)
    subprocess.run([str(installed.bin / "python"), str(HERE / "report.py"), str(folder)], check=True)
    say("report: %s" % os.path.relpath(folder / "index.html"))
    if not folder.name.endswith("-part") and front.complete(raw):
        front.write(raw, folder)
        say("the README's first table and its chart are drawn from it")


if __name__ == "__main__":
    main()
