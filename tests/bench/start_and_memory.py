"""The Django example project as a whole: from the start of the server to its first answer, and the memory of the tree
with four workers. Each server runs alone, on both cores."""

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import peers
import processes
import load
import scenarios

SITE = peers.ROOT / "tests" / "apps" / "djangosite"
APP = "myproject.wsgi"
WORKERS = 4
START_ROUNDS = 5


def estimate(name, there):
    return len(there) * START_ROUNDS * 1.0 if name == "start" else (len(there) + 4) * 4.5


def prepare(installed, scratch):
    """A database and collected static files, once; the environment for all."""
    data = scratch / "djangosite"
    data.mkdir()
    env = dict(os.environ, DJANGOSITE_DATA=str(data), PYTHONPATH=str(SITE), PATH="%s:%s" % (installed.bin, os.environ["PATH"]))
    for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
        subprocess.run([str(installed.bin / "python"), "manage.py"] + command, cwd=SITE, env=env, check=True)
    for path in [data, *data.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)  # mod_wsgi gives up being root
    return env


def first_answer(server, seconds=30):
    """Seconds until the front page of the project is answered."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        if not server.alive():
            raise processes.NotServing("ended: " + server.last_words())
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/" % server.port, timeout=10) as answer:
                text = answer.read()
            if answer.status != 200 or b"</html>" not in text:
                raise processes.NotServing("the front page is wrong: %r" % text[:60])
            return time.perf_counter() - begun
        except urllib.error.HTTPError as e:
            raise processes.NotServing("status %d: %s" % (e.code, server.last_words())) from e
        except OSError:
            time.sleep(0.002)
    raise processes.NotServing("no answer for %d s" % seconds)


def started(peer, installed, scratch, env, **options):
    folder = Path(tempfile.mkdtemp(prefix="whole-", dir=scratch))
    folder.chmod(0o777)
    port = processes.free_port()
    command = peer.command(peers.Setup(APP, port, folder, installed.bin_of(peer), **options))
    return processes.Server(command, "0,1", SITE, env, folder / "output", port), command


def one_start(peer, installed, scratch, env):
    server, command = started(peer, installed, scratch, env)
    try:
        return {"ms": first_answer(server) * 1000}, command
    finally:
        server.stop()


def one_memory(peer, installed, scratch, env, requests, **options):
    server, command = started(peer, installed, scratch, env, **options)
    try:
        first_answer(server)
        load.run(server.port, requests, False, 16, 2, "0,1")
        rss, pss = processes.memory(server.pid)
        return {"rss": rss, "pss": pss, "processes": len(processes.tree(server.pid))}, command
    finally:
        server.stop()


def measure(name, there, installed, scratch, say):
    env = prepare(installed, scratch) if not (scratch / "djangosite").exists() else dict(
        os.environ, DJANGOSITE_DATA=str(scratch / "djangosite"), PYTHONPATH=str(SITE), PATH="%s:%s" % (installed.bin, os.environ["PATH"]))
    requests = scratch / "front-page"
    # Each connection is a new one, so that every worker has its turn: kept ones may all belong to a few.
    load.write_requests(requests, [scenarios.request("/", "Connection: close")])
    if name == "start":
        cases = [(peer.name, peer, {}) for peer in there] * START_ROUNDS
    else:
        cases = [(peer.name + ", %d workers" % WORKERS if peer.workers else peer.name + ", one process", peer, {"workers": WORKERS} if peer.workers else {})
                 for peer in there]
        cases += [(peer.name + ", %d workers, preload" % WORKERS, peer, {"workers": WORKERS, "preload": True}) for peer in there if peer.preload]
        cases += [(peer.name + ", %d workers, preload, warm-up" % WORKERS, peer, {"workers": WORKERS, "preload": True, "warm": "/"}) for peer in there if peer.warm]
    rows = {}
    for label, peer, options in cases:
        row = rows.setdefault(label, {"peer": peer.name, "rounds": [], "remarks": []})
        if "failed" in row or "lacks" in row:
            continue
        try:
            if name == "start":
                result, command = one_start(peer, installed, scratch, env)
            else:
                result, command = one_memory(peer, installed, scratch, env, requests, **options)
        except peers.Lacks as why:
            row["lacks"] = str(why)
        except (processes.NotServing, RuntimeError, subprocess.TimeoutExpired) as why:
            row["failed"] = peers.shown(str(why))[:300]
        else:
            row["rounds"].append(result)
            row["command"] = peers.shown(" ".join(map(str, command)))
        last = row["rounds"][-1] if row["rounds"] else row
        say("%s: %-36s %s" % (name, label, ", ".join("%s %s" % (k, "%.1f" % v if isinstance(v, float) else v) for k, v in last.items() if k in ("ms", "rss", "pss", "processes", "failed", "lacks"))))
    return {"title": scenarios.WHOLE[name], "main": "ms" if name == "start" else "pss", "rows": rows}
