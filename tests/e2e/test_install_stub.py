"""gosrv install-stub: where a program starts Gunicorn by itself, gosrv is started, until that is taken back."""
import importlib.metadata
import os
import subprocess
import sys
import textwrap
import zipfile

import pytest

import harness
from masters import Succession
from waiting import wait_for

pytestmark = [pytest.mark.gosrv_only("Gunicorn does not stand in for itself"), pytest.mark.not_green("nothing is served")]
OURS = "gosrv (version "
REAL = "gunicorn (version 27.0.1)"
# What `mlflow server` and others do.
RUNNER = """
    import subprocess
    import sys
    import sysconfig

    for form in ([sys.executable, "-m", "gunicorn"], [sysconfig.get_path("scripts") + "/gunicorn"], [sys.executable, "-W", "ignore", "-Im", "gunicorn.app.wsgiapp"]):
        try:
            done = subprocess.run([*form, *sys.argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        except FileNotFoundError as e:
            print(e)
        else:
            print(done.stdout, end="")
"""


def run(*argv, check=True, **changes):
    env = harness.environment(**{"GOSRV_PYTHON": None, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **changes})
    done = subprocess.run([str(a) for a in argv], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, cwd="/")
    assert not check or done.returncode == 0, "%s\n%s%s" % (argv, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The Gunicorn that this environment has, as pip takes it."""
    found = importlib.metadata.distribution("gunicorn")
    path = tmp_path_factory.mktemp("wheel") / ("gunicorn-%s-py3-none-any.whl" % found.version)
    with zipfile.ZipFile(path, "w") as archive:
        for file in found.files:
            if file.suffix != ".pyc" and ".." not in file.parts and file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                archive.write(file.locate(), str(file))
    return path


class Environment:
    """A virtual environment of the Python that is tested."""

    def __init__(self, home):
        run(harness.python(), "-m", "venv", "--without-pip", home)
        self.home, self.python, self.script = home, home / "bin" / "python", home / "bin" / "gunicorn"
        (home / "runner.py").write_text(textwrap.dedent(RUNNER))

    def pip(self, *words):
        run(sys.executable, "-m", "pip", "--python", self.python, *words)

    def stub(self, *words, **kw):
        return run(harness.binary(), "install-stub", "--python", self.python, *words, **kw)

    def says(self):
        """What both forms, started by another program, say they are; how gosrv was built, of which the others say nothing, is left out."""
        lines = run(self.python, self.home / "runner.py", "--version").stdout.splitlines()
        return [line for line in lines if not line.startswith(("commit ", "features: "))]

    def files(self):
        return {path.relative_to(self.home): (path.read_bytes(), path.stat().st_mode) for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def bare(tmp_path):
    return Environment(tmp_path / "an envir\u00f6nment")


@pytest.fixture
def with_gunicorn(bare, wheel):
    bare.pip("install", "--quiet", "--no-index", "--no-deps", wheel)
    return bare


@pytest.mark.parametrize("kind", [pytest.param("bare", marks=pytest.mark.matrix), "with_gunicorn"])
def test_both_forms_start_gosrv_until_it_is_undone(request, kind):
    home = request.getfixturevalue(kind)
    before = home.files()
    for _ in range(2):
        told = home.stub().stdout
        assert "start gosrv (%s)" % harness.binary() in told and "--undo" in told
        assert [line.startswith(OURS) for line in home.says()] == [True] * 3
    written = {path: text for path, text in home.files().items() if path.suffix != ".pyc" and before.get(path) != text}
    assert all(str(home.home / path) in told for path in written)
    assert ("Left as it is: %s" % home.script in told) == (kind == "with_gunicorn")
    assert run(home.python, "-m", "json.tool", "--help").stdout.startswith("usage: ")  # others start as ever
    home.stub("--undo")
    assert home.files() == before
    if kind == "with_gunicorn":
        assert home.says() == [REAL, REAL, REAL.replace("gunicorn", "wsgiapp.py")]
    else:
        assert ["No module named" in line or "No such file" in line for line in home.says()] == [True] * 3
    assert "There is no stub" in home.stub("--undo").stdout


@pytest.mark.matrix
@pytest.mark.parametrize("form", ["module", "script"])
def test_a_server(start, bare, form):
    bare.stub()
    program = [str(bare.python), "-m", "gunicorn"] if form == "module" else [str(bare.script)]
    server = start("interpreter_facts", program=program, env={"GOSRV_PYTHON": None})
    facts = server.get().json()
    assert facts["prefix"] == str(bare.home) and facts["executable"] == str(bare.python)
    assert "Starting gosrv" in server.log


def test_pip_may_do_what_it_will(bare, wheel):
    before = bare.files()
    bare.stub()
    bare.pip("install", "--quiet", "--no-index", "--no-deps", wheel)
    assert [line.startswith(OURS) for line in bare.says()] == [True] * 3, "Gunicorn was installed over it"
    bare.pip("install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    assert [line.startswith(OURS) for line in bare.says()] == [True] * 3, "Gunicorn was upgraded"
    bare.pip("uninstall", "--quiet", "--yes", "gunicorn")
    assert run(bare.python, "-m", "gunicorn", "--version").stdout.startswith(OURS), "Gunicorn was removed"
    bare.stub()
    assert [line.startswith(OURS) for line in bare.says()] == [True] * 3
    bare.stub("--undo")
    assert bare.files() == before


@pytest.mark.parametrize("form", ["module", "script"])
def test_a_running_gunicorn_is_replaced_and_comes_back(start, with_gunicorn, tmp_path, form):
    program = [str(with_gunicorn.python), *(["-m", "gunicorn"] if form == "module" else [str(with_gunicorn.script)]), "--no-control-socket"]
    server = start("hello:app", "--pid", tmp_path / "pid", program=program, server="gunicorn", balance=False)
    masters = Succession(server, tmp_path / "pid")
    with_gunicorn.stub()
    new = masters.begin()
    wait_for(lambda: "Starting gosrv" in server.log, "gosrv")
    server.wait_log(r"\[%d\] \[INFO\] Serving hello:app" % new)
    masters.end_old(new)
    wait_for(lambda: masters.recorded() == new, "its promotion")
    assert server.get().text == "hello two"
    if form == "script":  # gosrv executes what it was started by: the script
        with_gunicorn.stub("--undo")
        last = masters.begin()
        wait_for(lambda: server.log.count("Starting gunicorn") == 2, "Gunicorn once more")
        masters.end_old(last)
        wait_for(lambda: masters.recorded() == last, "its promotion")
        assert server.get().text == "hello two"
    masters.stop()


def test_an_environment_without_gosrv_says_so(bare, tmp_path):
    moved = tmp_path / "gosrv"
    moved.write_bytes(harness.binary().read_bytes())
    moved.chmod(0o755)
    run(moved, "install-stub", "--python", bare.python)
    moved.unlink()
    done = run(bare.python, "-m", "gunicorn", "--version", check=False, PATH="/usr/bin:/bin")
    assert done.returncode == 1 and "neither in %s nor at %s nor on PATH" % (bare.home / "bin", moved) in done.stderr
    assert "remove %s" % next(bare.home.rglob("gosrv_gunicorn.pth")) in done.stderr and "Traceback" not in done.stderr


def test_what_is_refused(bare, tmp_path):
    system = run(harness.python(), "-c", "import sys; print(sys._base_executable)").stdout.strip()
    done = run(harness.binary(), "install-stub", "--python", system, check=False)
    assert done.returncode == 1 and "is no virtual environment" in done.stderr and "--system" in done.stderr
    done = run(harness.binary(), "install-stub", "--nonsense", check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: gosrv install-stub")
    assert run(harness.binary(), "install-stub", "--help").stdout.startswith("usage: gosrv install-stub")
    done = run(harness.binary(), "install-stub", "--python", tmp_path / "none", check=False)
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr
    before = bare.files()
    bare.script.write_text("#!/bin/sh\necho somebody else\n")
    bare.script.chmod(0o755)
    done = bare.stub(check=False)
    assert done.returncode == 1 and "%s is no script of %s" % (bare.script, bare.python) in done.stderr
    bare.script.unlink()
    assert bare.files() == before
    foreign = next(bare.home.rglob("site-packages")) / "gosrv_gunicorn.py"
    foreign.write_text("mine = True\n")
    done = bare.stub(check=False)
    assert done.returncode == 1 and "%s is there, and not of gosrv's making" % foreign in done.stderr
    assert foreign.read_text() == "mine = True\n" and bare.stub("--undo").returncode == 0 and foreign.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a user that may not write is only made by root")
def test_where_it_may_not_write(bare):
    packages = next(bare.home.rglob("site-packages"))
    before = bare.files()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(packages)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("this machine mounts nothing")
    try:
        done = bare.stub(check=False)
    finally:
        subprocess.run(["umount", str(packages)], check=True)
    assert done.returncode == 1 and "Read-only file system; nothing was changed" in done.stderr and "Traceback" not in done.stderr
    assert bare.files() == before
