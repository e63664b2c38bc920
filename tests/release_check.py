"""What has to hold before a release, from a clean clone: `make release-check`. An hour with the platforms, a quarter without.

1. Two clones in folders of different names build every package; the two must be the same, byte for byte.
2. Each package that this machine can run is installed into a fresh environment, where the smoke set is run on what was installed.
3. What this machine is not is tried by the targets of its own (musl, arm64, freethreaded, containers, kernel).
4. dist/release gets the packages, SHA256SUMS and an SBOM (CycloneDX) for each binary.
5. Known vulnerabilities are asked for, where the data can be had; where not, the last lines say so.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

SMOKE = ["test_wsgi.py", "test_start.py", "test_reload.py", "test_stop.py", "-m", "matrix"]
TARGETS = {"wheel": ["amd64", "arm64", "amd64-musl", "arm64-musl"], "deb": ["amd64", "arm64"], "tarball": ["amd64", "arm64"]}
PLATFORMS = ("musl", "arm64", "freethreaded", "containers", "kernel")
SBOM = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
GOVULNCHECK = "golang.org/x/vuln/cmd/govulncheck@v1.1.4"
VULNERABILITIES = "https://vuln.go.dev/index/db.json"
BUILD_TIME = 5400  # s for four wheels from nothing; three minutes where nobody else builds
HOST = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def check(run):
    """Everything; `run` is the module of the runner, which counts."""
    target = run.ROOT / "dist" / "release"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="gosrv-release-") as work:
        work = Path(work)
        clones = [clone(run, work / name) for name in ("one", "another räume")]
        # The second finds nothing that the first has compiled.
        if not all(clones) or not build(run, clones[0]) or not build(run, clones[1], GOCACHE=str(work / "cache")):
            return
        same(run, *(place / "dist" for place in clones))
        for path in sorted((clones[0] / "dist").iterdir()):
            shutil.copy(path, target)
        sboms(run, target, work)
        installs(run, target, work)
        vulnerabilities(run, clones[0], work)
    sums(target)
    for name in PLATFORMS:
        action = getattr(run, "do_" + name, None)
        if action:
            action()
    print("\nThe release: %s" % target)


def clone(run, place):
    """A clone of what is committed; nothing else is in a release."""
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=run.ROOT, capture_output=True, text=True).stdout
    if changed.strip():
        print("not committed, so not in the release:\n" + changed)
    good = run.plain("clone to %s" % place.name, ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", "file://%s" % run.ROOT, str(place)])
    return place if good else None


def build(run, place, **variables):
    for what, arches in TARGETS.items():
        script = place / "pyshim" / "wheel" / "release.py"
        if not run.plain("build %s in %s" % (what, place.name), [str(run.tools()), str(script), what, str(place / "dist"), *arches],
                         env=dict(os.environ, **variables), limit=BUILD_TIME):
            return False
    return True


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(run, one, other):
    """Counts each package of the two builds."""
    names = sorted({path.name for folder in (one, other) for path in folder.iterdir()})
    run.title("the two builds are the same, byte for byte")
    for name in names:
        equal = (one / name).exists() and (other / name).exists() and digest(one / name) == digest(other / name)
        print("%s  %s" % ("same" if equal else "DIFFERENT", name))
        run.totals.add(passed=int(equal), failed=int(not equal), note=None if equal else "%s differs between two builds" % name)


# -- what is inside ------------------------------------------------------------------------------------------------

def binary(package, work):
    """The program out of a wheel or a tarball, None for what has none or is inside a Debian package, which has the tarball's."""
    place = work / (package.name + ".binary")
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            place.write_bytes(archive.read(next(name for name in archive.namelist() if name.endswith(".data/scripts/gosrv"))))
    elif "-linux-" in package.name:
        with tarfile.open(package) as archive:
            place.write_bytes(archive.extractfile(next(m for m in archive.getmembers() if m.name.endswith("/bin/gosrv"))).read())
    else:
        return None
    return place


def go_tool(run, package, work):
    """A Go program, built; None where the proxy does not have it."""
    done = subprocess.run(["go", "install", package], env=dict(os.environ, GOBIN=str(work / "bin")), capture_output=True, text=True)
    if done.returncode != 0:
        skip(run, "%s cannot be had: %s" % (package, done.stderr.strip().splitlines()[-1]))
        return None
    return work / "bin" / package.rpartition("/")[2].partition("@")[0]


def skip(run, why):
    run.totals.add(skipped=1)
    print("not done: " + why, flush=True)


def sboms(run, target, work):
    """What is linked into each binary, with its licences, as CycloneDX writes it."""
    tool = go_tool(run, SBOM, work)
    version = next(target.glob("*.whl")).name.split("-")[1]
    for package in sorted(target.iterdir()):
        program = binary(package, work)
        if program and tool:
            command = [str(tool), "bin", "-json", "-std", "-licenses", "-assert-licenses", "-noserial", "-notimestamp", "-version", "v" + version,
                       "-output", str(target / (package.name + ".cdx.json")), str(program)]
            if run.plain("SBOM of " + package.name, command):
                licensed(target / (package.name + ".cdx.json"))


def licensed(path):
    """The tool reads licences out of modules: gosrv and Go's library are none that it could download, and Go's own text it takes for another."""
    bom = json.loads(path.read_text())
    bom["metadata"]["component"]["licenses"] = [{"license": {"id": "MIT"}}]
    for component in bom["components"]:
        if component["name"] == "std" or component["name"].startswith("golang.org/x/"):
            component["licenses"] = [{"license": {"id": "BSD-3-Clause"}}]
    path.write_text(json.dumps(bom, indent=2) + "\n")


def sums(target):
    names = sorted(path.name for path in target.iterdir())
    (target / "SHA256SUMS").write_text("".join("%s  %s\n" % (digest(target / name), name) for name in names))


# -- installed -----------------------------------------------------------------------------------------------------

def installs(run, target, work):
    """Install what is for this machine and run the smoke set on it; the others are their platforms' targets'."""
    machine = os.uname().machine
    made = {
        "the wheel": lambda: by_pip(run, work / "wheel", "--no-index", next(target.glob("*-manylinux_*_%s.whl" % machine))),
        "the sdist": lambda: by_pip(run, work / "sdist", next(path for path in target.glob("gosrv-*.tar.gz") if "-linux-" not in path.name)),
        "the Debian package": lambda: by_dpkg(run, work / "deb", next(target.glob("*_%s.deb" % HOST))),
        "the tarball": lambda: by_tar(run, work / "tarball", next(target.glob("*-linux-%s.tar.gz" % HOST))),
    }
    for name, install in made.items():
        program = install()
        if program is None:
            continue
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True)
        good = said.returncode == 0 and "commit unknown" not in said.stdout
        run.totals.add(passed=int(good), failed=int(not good), note=None if good else "%s says %r" % (name, said.stdout + said.stderr))
        before = run.totals.passed
        run.pytest("smoke: " + name, run.test_venv(), "-n", "2", *SMOKE, binary=program)
        if run.totals.passed == before:
            run.totals.add(failed=1, note="smoke: %s: no test was run" % name)


def by_pip(run, home, *what):
    python = run.pythons.default().executable
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *map(str, what)]
    good = run.plain("install " + what[-1].name, [python, "-m", "venv", str(home)]) and run.plain("install " + what[-1].name, pip)
    return home / "bin" / "gosrv" if good else None


def by_dpkg(run, root, package):
    """dpkg's own installation into another root, without the packages that it depends on: those of this machine serve."""
    if not shutil.which("dpkg") or os.geteuid() != 0:
        skip(run, "dpkg needs Debian and root")
        return None
    for folder in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    good = run.plain("install " + package.name, ["dpkg", "--root=%s" % root, "--force-depends", "--install", str(package)])
    for name in ("share/man/man1/gosrv.1.gz", "share/bash-completion/completions/gosrv", "share/doc/gosrv/copyright"):
        there = (root / "usr" / name).exists()
        run.totals.add(passed=int(there), failed=int(not there), note=None if there else "%s: no %s" % (package.name, name))
    return root / "usr" / "bin" / "gosrv" if good else None


def by_tar(run, prefix, package):
    prefix.mkdir()
    good = run.plain("install " + package.name, ["tar", "-xzf", str(package), "--strip-components=1", "-C", str(prefix)])
    return prefix / "bin" / "gosrv" if good else None


# -- vulnerabilities -----------------------------------------------------------------------------------------------

def vulnerabilities(run, place, work):
    try:
        urllib.request.urlopen(VULNERABILITIES, timeout=20).close()
    except OSError as why:
        skip(run, "govulncheck: its data are not to be had here (%s)" % why)
    else:
        tool = go_tool(run, GOVULNCHECK, work)
        if tool:
            run.plain("govulncheck", [str(tool), "-C", str(place), "./..."])
    audit(run, work)


def audit(run, work):
    """pip-audit over what builds packages and the site: gosrv itself depends on no Python package."""
    home = work / "audit"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    install = subprocess.run([str(home / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "pip-audit"], capture_output=True, text=True)
    if install.returncode != 0:
        skip(run, "pip-audit cannot be installed here")
        return
    for requirements in (run.WHEEL / "requirements.txt", run.SITE / "requirements.txt"):
        name = requirements.relative_to(run.ROOT)
        command = [str(home / "bin" / "pip-audit"), "--format", "json", "--progress-spinner", "off", "-r", str(requirements)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            found = json.loads(done.stdout)["dependencies"]
        except (ValueError, subprocess.TimeoutExpired) as why:
            skip(run, "pip-audit of %s gives no answer (%s)" % (name, why))
            continue
        unknown = [entry["name"] for entry in found if "skip_reason" in entry]
        holes = ["%s %s: %s" % (entry["name"], entry["version"], hole["id"]) for entry in found for hole in entry.get("vulns", ())]
        if unknown:
            skip(run, "pip-audit of %s: the data of %d of %d packages are not to be had here" % (name, len(unknown), len(found)))
        if holes or len(unknown) < len(found):
            run.totals.add(passed=int(not holes), failed=int(bool(holes)), note="pip-audit: " + "; ".join(holes) if holes else None)
