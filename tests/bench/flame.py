"""Where a request's CPU time goes: one flame graph over Go, gosrv's C, CPython and the kernel, and the ten that cost most.

    make profile                       hello, 10 seconds
    make profile SCENARIO=browser SECONDS=20

perf samples core 0 by the clock (a virtual machine seldom has hardware counters) and unwinds by DWARF, through CPython too. A C stack
begins where Go calls C; it is set on top of the Go stack that such a call has most often in the same profile.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import checks
import compare
import load
import peers
import processes
import scenarios

FREQUENCY = 1999
STACK = 8192  # bytes of it that are copied with each sample
FRAME = re.compile(r"\s+([0-9a-f]+) (.+) \((.*)\)$")
WRAPPER = re.compile(r"_cgo_[0-9a-f]+_Cfunc_(\w+)$")


def record(cores, seconds, path):
    command = ["perf", "record", "-q", "-F", str(FREQUENCY), "-e", "cpu-clock", "-C", cores, "--call-graph", "dwarf,%d" % STACK, "-o", str(path),
               "--", "sleep", str(seconds)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return " ".join(command).replace(str(path), "perf.data")


def stacks(path, pids):
    """[[(symbol, kind), ...]] from the outside in, of the processes' samples."""
    text = subprocess.run(["perf", "script", "--no-inline", "-i", str(path), "-F", "pid,tid,ip,sym,dso"], capture_output=True, text=True).stdout
    found = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        head = re.match(r"\s*(\d+)/\d+", lines[0])
        if not head or int(head.group(1)) not in pids:
            continue
        frames = [match.groups() for match in map(FRAME.match, lines[1:]) if match]
        if frames:
            found.append([(symbol, kind_of(symbol, dso)) for _, symbol, dso in reversed(frames)])
    return found


def kind_of(symbol, dso):
    """Whose code a frame is."""
    if "kernel" in dso or dso.startswith("["):
        return "kernel"
    if "libpython" in dso:
        return "CPython"
    if "gosrv" in Path(dso).name:  # the program, or its library in another Python's process
        return "Go" if "." in symbol or symbol.startswith(("runtime", "go:", "memeqbody", "aeshash", "cmpbody", "indexbyte")) else "gosrv's C"
    return "libc and others"


def joined(found):
    """The stacks with C set on top of Go: each that begins in asmcgocall gets the callers that Go has for that function."""
    ways = collections.defaultdict(collections.Counter)
    for stack in found:
        for at, (symbol, _) in enumerate(stack):
            name = symbol.rpartition("_Cfunc_")[2] if "/cgo._Cfunc_" in symbol else None
            if name:
                ways[name][tuple(stack[:at + 1])] += 1
                ways[None][tuple(stack[:at + 1])] += 1
    whole = []
    for stack in found:
        inner = next((WRAPPER.match(symbol).group(1) for symbol, _ in stack[:3] if WRAPPER.match(symbol)), None)
        if stack[0][0].startswith("runtime.asmcgocall") and inner:
            way = ways.get(inner) or ways.get(None)
            prefix = list(way.most_common(1)[0][0]) if way else [("Go", "Go"), ("cgo." + inner, "Go")]
            stack = prefix + stack
        whole.append(stack)
    return whole


def folded(whole):
    counts = collections.Counter(";".join(symbol.replace(";", ":") for symbol, _ in stack) for stack in whole)
    return ["%s %d" % item for item in sorted(counts.items())]


def own_time(found, pick, wanted=lambda frame: True):
    """[(what was running, % of all samples)], the ten that come first."""
    counts = collections.Counter(pick(stack[-1]) for stack in found if wanted(stack[-1]))
    return [(name, 100 * n / len(found)) for name, n in counts.most_common(10)]


def markdown(scenario, found, cpu, command):
    text = ["# Profile of gosrv, %s" % scenario.title, "", "%d samples, %.1f us of CPU a request while it was watched. `%s`" % (len(found), cpu, command), "",
            "| whose code | % | us a request |", "|---|---|---|"]
    text += ["| %s | %.1f | %.2f |" % (name, share, cpu * share / 100) for name, share in own_time(found, lambda frame: frame[1])]
    for title, wanted in (("all", lambda frame: True), ("without the kernel", lambda frame: frame[1] != "kernel")):
        text += ["", "| function (own time), %s | whose | %% | us a request |" % title, "|---|---|---|---|"]
        text += ["| `%s` | %s | %.1f | %.2f |" % (name, kind, share, cpu * share / 100) for (name, kind), share in own_time(found, lambda frame: frame, wanted)]
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenario", default="hello")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--memo", choices=("on", "off"), default="on", help="off: with --no-environ-memo")
    args = parser.parse_args()
    listed, _ = scenarios.chosen([args.scenario])
    if not listed:
        sys.exit("%s is no scenario that can be profiled" % args.scenario)
    scenario = listed[0]
    processes.adopt_orphans()
    installed = peers.Installed(compare.say)
    installed.peers([])
    folder = compare.RESULTS / time.strftime("%Y-%m-%d")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gosrv-bench-") as scratch:
        scratch = Path(scratch)
        requests = scenario.requests()
        load.write_requests(scratch / "requests", requests)
        port = processes.free_port()
        options = {key: value for key, value in scenario.entries[0].items() if key != "log"}
        setup = peers.Setup(scenario.app, port, scratch, installed.bin, **options)
        command = peers.gosrv(setup) if args.memo == "on" else peers.gosrv_without_memo(setup)
        server = processes.Server(command, scenario.server_cores, peers.HERE / "apps", dict(os.environ, PYTHONPATH=str(peers.HERE / "apps")), scratch / "output", port)
        try:
            server.wait()
            checks.check(scenario, requests, port)
            pids, before, result = set(processes.tree(server.pid)), processes.usage(server.pid), {}
            client = threading.Thread(target=lambda: result.update(load.run(
                port, scratch / "requests", len(requests) > 1, scenario.connections, args.seconds + 2, scenario.client_cores, len(scenario.client_cores.split(",")))))
            client.start()
            time.sleep(1)  # the client is ready
            compare.say("recording for %d s" % args.seconds)
            told = record(scenario.server_cores, args.seconds, scratch / "perf.data")
            client.join()
            if not result:
                sys.exit("the load did not run")
            cpu = before.until(processes.usage(server.pid)) / result["requests"] * 1e6
        finally:
            server.stop()
        compare.say("unwinding")
        found = stacks(scratch / "perf.data", pids)
    if not found:
        sys.exit("perf saw nothing of the server; may it sample the whole of core 0 (kernel.perf_event_paranoid)?")
    name = "profile-%s%s" % (scenario.name, "" if args.memo == "on" else "-no-memo")
    (folder / (name + ".md")).write_text(markdown(scenario, found, cpu, told))
    lines = folded(joined(found))
    draw = "import sys, pyinferno; sys.stdout.write(pyinferno.flamegraph_from_lines(sys.stdin.read().splitlines(), %r))" % ("gosrv: " + scenario.title)
    drawn = subprocess.run([str(installed.bin / "python"), "-c", draw], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    (folder / (name + ".svg")).write_text(drawn)
    print((folder / (name + ".md")).read_text())
    compare.say("flame graph: %s" % os.path.relpath(folder / (name + ".svg")))


if __name__ == "__main__":
    main()
