"""The client: wrk, one thread on its own core, sending exactly the bytes it is given."""

import json
import os
import resource
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def write_requests(path, requests):
    """The file that load.lua reads."""
    with open(path, "wb") as out:
        for request in requests:
            out.write(b"%d\n%s\n" % (len(request), request))


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(port, requests, many, connections, seconds, cores="1", threads=1):
    """One round: what wrk counted, latencies in ms, and `client`: how much of its cores the client used (0 to 1)."""
    argv = ["taskset", "-c", cores, "wrk", "-t%d" % threads, "-c%d" % connections, "-d%ds" % seconds, "--timeout", "5s",
            "-s", str(HERE / "load.lua"), "http://127.0.0.1:%d/" % port, "--", str(requests)]
    env = dict(os.environ, REQUESTS="many" if many else "one")
    before = children_cpu()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    try:
        out, _ = process.communicate(timeout=seconds + 30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = [line[1:] for line in out.splitlines() if line.startswith("@")]
    if not lines:
        raise RuntimeError("wrk said: " + out.strip()[-200:])
    result = json.loads(lines[0])
    result["client"] = (children_cpu() - before) / result["seconds"] / threads
    return result
