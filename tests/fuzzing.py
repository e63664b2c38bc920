"""Go's fuzz targets, by the number of inputs and not by its -fuzztime in seconds: at the end of those it may fail with "context
deadline exceeded" though nothing was found (golang.org/issue/75804), and an input that never comes back would look the same."""
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNITS = {"s": 1, "m": 60, "h": 3600}
FIRST = 20000  # inputs, from which the rate is known


def targets(package):
    listed = subprocess.run(["go", "test", "-list", "^Fuzz", package], cwd=ROOT, capture_output=True, text=True).stdout
    return [line for line in listed.split("\n") if line.startswith("Fuzz")]


def run(package, target, length):
    """Try inputs for a time (60s, 5m) or a number of them (20000x); what fails is printed. True if nothing did."""
    number, unit = re.fullmatch(r"(\d+)([smhx])", length).groups()
    if unit == "x":
        return inputs(package, target, int(number))
    end = time.monotonic() + int(number) * UNITS[unit]
    count, good = FIRST, True
    while good and count >= FIRST:
        begun = time.monotonic()
        good = inputs(package, target, count)
        now = time.monotonic()
        count = min(int(count / (now - begun) * (end - now)), 100 * count)  # the first rounds are mostly preparation
    return good


def inputs(package, target, count):
    argv = ["go", "test", "-run", "^$", "-fuzz", "^%s$" % target, "-fuzztime", "%dx" % count, package]
    done = subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout, end="", flush=True)
    for name in re.findall(r"Failing input written to (\S+)", done.stdout):
        for path in ROOT.rglob(name):  # the copy that CI runs in is gone when this is read
            print("%s:\n%s" % (path.relative_to(ROOT), path.read_text()), flush=True)
    return done.returncode == 0
