"""What a container's process may do, and what it does when the container's limits are met. Flask proves that packages with C code came along."""
import os
import time

from flask import Flask

app = application = Flask(__name__)


@app.get("/healthz")
def healthz():
    return "ok"


def status():
    with open("/proc/self/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def writes(folder):
    try:
        with open(os.path.join(folder, "written"), "w"):
            return True
    except OSError:
        return False


@app.get("/facts")
def facts():
    said = status()
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    return {"uid": os.getuid(), "capabilities": said["CapEff"], "no_new_privileges": said["NoNewPrivs"], "seccomp": said["Seccomp"],
            "writes": {folder: writes(folder) for folder in ("/app", "/tmp")}, "zombies": zombies(processes), "pid": os.getpid()}


def zombies(processes):
    found = 0
    for name in processes:
        try:
            with open("/proc/%s/stat" % name) as f:
                found += f.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
    return found


@app.get("/orphan")
def orphan():
    """A child that leaves a child, which ends later: process 1 inherits that one."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.setsid()
        os._exit(0)
    os.waitpid(child, 0)
    return "left"


@app.get("/wait")
def wait():
    """Begins to answer at once, and ends when the gate is there."""
    def pieces():
        yield "begun"
        while not os.path.exists("/tmp/gate"):
            time.sleep(0.01)
        yield ", ended"

    return app.response_class(pieces())


@app.get("/eat")
def eat():
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)) * 8)
