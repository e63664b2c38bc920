"""The clients, on a core of their own, that send exactly the bytes they are given: wrk, which asks again when it is answered, and open_loop.c,
whose requests fall due whether those before are answered or not."""

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


def build_open_loop(folder):
    program = str(Path(folder) / "open_loop")
    subprocess.run(["cc", "-O2", "-Wall", "-o", program, str(HERE / "open_loop.c"), "-lm"], check=True)
    return program


def run_open(program, port, request, rate, connections, seconds, cores="1"):
    """One round of the open loop: the same figures as run's, and `lag`, `rate`. request is a file with the bytes of one."""
    argv = ["taskset", "-c", cores, program, str(port), str(request), "%.2f" % rate, str(connections), str(seconds)]
    before = children_cpu()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + 30)
    if done.returncode:
        raise RuntimeError("open_loop ended with code %d: %s" % (done.returncode, done.stdout.strip()[-200:]))
    result = json.loads(done.stdout)
    return dict(result, rate=rate, client=(children_cpu() - before) / result["seconds"])
