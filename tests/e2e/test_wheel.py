"""What `pip install gosrv` gives, in each kind of environment that people have. `make test` builds the wheel."""
import json
import os
import re
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

import harness
import pythons

WHEEL = os.environ.get("GOSRV_WHEEL")
pytestmark = [
    pytest.mark.not_green("the package is what it is about"),
    pytest.mark.gosrv_only("it is about gosrv's package"),
    pytest.mark.skipif(not WHEEL, reason="no wheel was built: tests/run.py test builds one, and names it in GOSRV_WHEEL"),
]
SOURCE = harness.ROOT / "pyshim" / "wheel"
BASE = Path(os.path.realpath(sys.executable))  # of the tests' own virtual environment


def tool(name):
    return str(Path(os.environ["GOSRV_TOOLS"]) / name)


def run(*argv, cwd=None, check=True, **changes):
    """A command in a clean environment; its output as text."""
    env = harness.environment(**{"GOSRV_PYTHON": None, "UV_OFFLINE": "1", "UV_LINK_MODE": "copy", "XDG_CACHE_HOME": None, **changes})
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, "%s\n%s%s" % (argv, done.stdout, done.stderr)
    return done if not check else done.stdout


def install(python, *where):
    run(tool("python"), "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet", "--no-index", *where, WHEEL)


def with_wheel(home):
    install(home / "bin" / "python")
    return home


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One ordinary environment that the tests share."""
    home = tmp_path_factory.mktemp("plain") / "venv"
    run(BASE, "-m", "venv", "--without-pip", home)
    return with_wheel(home)


def facts_of(start, *program, **changes):
    """What an application sees, served by that program without any word about which Python."""
    env = {"GOSRV_PYTHON": None, "VIRTUAL_ENV": None, **changes}
    server = start("interpreter_facts", program=[str(p) for p in program], env=env)
    return server.get("/").json()


# -- the file ------------------------------------------------------------------------------------------------------

def test_the_metadata_is_complete():
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
        meta = wheel.read(next(n for n in names if n.endswith("/METADATA"))).decode()
        tags = wheel.read(next(n for n in names if n.endswith("/WHEEL"))).decode()
    headers = meta.split("\n\n", 1)[0]
    version = re.search(r"^Version: (\S+)$", headers, re.M).group(1)
    assert Path(WHEEL).name == "gosrv-%s-py3-none-manylinux_2_17_%s.whl" % (version, os.uname().machine)
    assert "Root-Is-Purelib: false" in tags and "Tag: py3-none-manylinux_2_17_" in tags
    assert re.search(r"^Requires-Python: >=3\.9$", headers, re.M)
    assert "Requires-Dist" not in headers, "no dependency"
    for field in ("Name: gosrv", "Summary: ", "Author: ", "Keywords: ", "Description-Content-Type: text/markdown", "Classifier: Operating System :: POSIX :: Linux"):
        assert "\n" + field in headers, field
    assert meta.split("\n\n", 1)[1].startswith("# gosrv")
    assert "gosrv-%s.data/scripts/gosrv" % version in names
    assert not [n for n in names if n.endswith((".pyc", ".go", ".c"))]


def test_the_program_says_the_same_version(plain):
    said = run(plain / "bin" / "gosrv", "--version")
    assert said.startswith("gosrv (version %s)\ncommit " % Path(WHEEL).name.split("-")[1])
    assert "commit unknown" not in said or not (harness.ROOT / ".git").exists()


def test_the_licences_are_there(plain):
    """Its own, and those of what is linked into it."""
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
        own = next(n for n in names if n.endswith(".dist-info/licenses/LICENSE"))
        assert wheel.read(own) == (harness.ROOT / "LICENSE").read_bytes()
        meta = wheel.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert "\nLicense-Expression: MIT\n" in meta
    for path in (SOURCE / "licenses").iterdir():
        assert any(n.endswith(".dist-info/licenses/licenses/" + path.name) for n in names), path.name


# -- the program ---------------------------------------------------------------------------------------------------

def test_python_m_gosrv_becomes_the_program(start, plain):
    python = plain / "bin" / "python"
    server = start("hello:application", program=[str(python), "-m", "gosrv"], env={"GOSRV_PYTHON": None})
    assert server.get("/").text == "hello app"
    assert os.path.samefile("/proc/%d/exe" % server.pid, plain / "bin" / "gosrv"), "no python in between"
    assert run(python, "-m", "gosrv", "--version") == run(plain / "bin" / "gosrv", "--version")


def test_python_m_gosrv_means_that_python(tmp_path, plain):
    """Not the one on PATH, wherever the installer has put the program."""
    python = plain / "bin" / "python"
    target, prefix, user = tmp_path / "target", tmp_path / "prefix", tmp_path / "user"
    install(BASE, "--target", target)
    install(BASE, "--prefix", prefix)
    library = next(prefix.glob("lib/python3*/site-packages"))
    for path in (target, library):
        said = run(BASE, "-m", "gosrv", "--version", "--verbose", PYTHONPATH=path, PATH="/usr/bin:/bin")
        assert "python " in said and " at %s\n" % BASE in said
    run(BASE, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--user", WHEEL, PYTHONUSERBASE=user)
    assert " at %s\n" % BASE in run(BASE, "-m", "gosrv", "--version", "--verbose", PYTHONUSERBASE=user, PATH="/usr/bin:/bin")
    assert " at %s\n" % python in run(BASE, "-m", "gosrv", "--version", "--verbose", "--python", python, PYTHONPATH=target)


def test_python_m_gosrv_without_the_program(tmp_path, plain):
    home = tmp_path / "broken"
    run(BASE, "-m", "venv", "--without-pip", home)
    with_wheel(home)
    (home / "bin" / "gosrv").unlink()
    done = run(home / "bin" / "python", "-m", "gosrv", "--version", check=False, HOME=tmp_path)
    assert done.returncode == 1
    assert str(home / "bin" / "gosrv") in done.stderr and "pip install --force-reinstall gosrv" in done.stderr


# -- which Python --------------------------------------------------------------------------------------------------

def by_venv(home, *flags):
    run(BASE, "-m", "venv", "--without-pip", *flags, home)
    return with_wheel(home)


def by_virtualenv(home):
    run(tool("virtualenv"), "--quiet", "--no-seed", "--no-periodic-update", "--python", BASE, home)
    return with_wheel(home)


def by_uv(home):
    cache = home.parent / "cache"
    run(tool("uv"), "venv", "--quiet", "--cache-dir", cache, "--python", BASE, home)
    run(tool("uv"), "pip", "install", "--quiet", "--cache-dir", cache, "--no-index", "--python", home / "bin" / "python", WHEEL)
    return home


def by_static_python(home):
    run(pythons.static()[0].executable, "-m", "venv", "--without-pip", home)
    return with_wheel(home)


def relocated(home):
    made = by_venv(home.with_name("elsewhere"))
    made.rename(home)
    return home


KINDS = {
    "venv": by_venv,
    "venv --copies": lambda home: by_venv(home, "--copies"),
    "venv --system-site-packages": lambda home: by_venv(home, "--system-site-packages"),
    "virtualenv": by_virtualenv,
    "uv": by_uv,
    "of a static python": by_static_python,
    "relocated": relocated,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_gosrv_lies_in_serves(start, tmp_path, kind):
    home = KINDS[kind](tmp_path / "home")
    facts = facts_of(start, home / "bin" / "gosrv", PATH="/usr/bin:/bin", VIRTUAL_ENV="/nowhere")
    assert facts["prefix"] == str(home) != facts["base_prefix"]
    assert os.path.dirname(facts["executable"]) == str(home / "bin")
    said = run(home / "bin" / "gosrv", "--version", "--verbose")
    assert "chosen by: the virtual environment gosrv lies in\n" in said


def test_through_links_as_pipx_and_users_make_them(start, tmp_path, plain):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gosrv").symlink_to(plain / "bin" / "gosrv")
    assert facts_of(start, tmp_path / "bin" / "gosrv", PATH="/usr/bin:/bin")["prefix"] == str(plain)
    (tmp_path / "env").symlink_to(plain)
    assert os.path.samefile(facts_of(start, tmp_path / "env" / "bin" / "gosrv", PATH="/usr/bin:/bin")["prefix"], plain)


def test_a_prefix_with_a_python_of_its_own_serves(start, tmp_path):
    """As conda's: bin/python3 and lib/python3.X under one folder, and no pyvenv.cfg."""
    base = pythons.default()
    version = "python%d.%d" % base.minor
    lib = tmp_path / "lib" / version
    (lib / "site-packages").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for entry in (Path(base.prefix) / "lib" / version).iterdir():
        if entry.name != "site-packages":
            (lib / entry.name).symlink_to(entry)
    shutil.copy(os.path.realpath(base.executable), tmp_path / "bin" / "python3")
    shutil.copy(base.library, tmp_path / "lib")
    install(tmp_path / "bin" / "python3")
    facts = facts_of(start, tmp_path / "bin" / "gosrv", PATH="/usr/bin:/bin")
    assert facts["prefix"] == str(tmp_path)
    said = run(tmp_path / "bin" / "gosrv", "--version", "--verbose", PATH="/usr/bin:/bin")
    assert "chosen by: the Python gosrv was installed by\n" in said


def test_a_shim_on_the_path_is_asked_for_its_python(start, tmp_path, plain):
    """As pyenv's: a shell script that finds the Python to run."""
    shim = tmp_path / "python3"
    shim.write_text('#!/bin/sh\nexec "%s" "$@"\n' % (plain / "bin" / "python"))
    shim.chmod(0o755)
    shutil.copy(plain / "bin" / "gosrv", tmp_path / "gosrv")
    facts = facts_of(start, tmp_path / "gosrv", PATH="%s:/usr/bin:/bin" % tmp_path)
    assert facts["prefix"] == str(plain) and facts["executable"] == str(plain / "bin" / "python")


# -- where it cannot be installed ----------------------------------------------------------------------------------

@pytest.fixture
def hook(monkeypatch):
    """The build hook, with stand-ins for the backend's classes, which only its tools have."""
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin",
                 "hatchling.builders.hooks.plugin.interface", "hatchling.metadata", "hatchling.metadata.plugin", "hatchling.metadata.plugin.interface"):
        module = types.ModuleType(name)
        module.BuildHookInterface = module.MetadataHookInterface = object
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(SOURCE))
    import hatch_build

    yield hatch_build
    sys.modules.pop("hatch_build")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_an_sdist_on_another_system_says_what_to_do(hook, monkeypatch, system):
    monkeypatch.setattr(hook.sys, "platform", system)
    with pytest.raises(hook.BuildError, match="runs on Linux only, this is %s(.|\n)*sys_platform == 'linux'" % system):
        hook.check_machine()


def test_an_sdist_without_go_says_what_to_do(hook, monkeypatch):
    monkeypatch.setattr(hook.shutil, "which", lambda name: None)
    with pytest.raises(hook.BuildError, match="no `go` is on PATH(.|\n)*glibc 2.17(.|\n)*musl 1.2"):
        hook.check_machine()


def test_the_sdist_holds_what_a_build_reads(tmp_path, hook):
    names = set(hook.source_files())
    wanted = json.loads("[%s]" % run("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,CgoFiles,CFiles,HFiles,EmbedFiles,Standard", "./cmd/gosrv",
                                     "./cmd/libgosrv", "./cmd/gosrv/monitor", cwd=harness.ROOT).replace("\n}\n{", "\n},\n{"))
    missing = set()
    for package in wanted:
        if package.get("Standard") or not package["ImportPath"].startswith("gosrv/"):
            continue
        for key in ("GoFiles", "CgoFiles", "CFiles", "HFiles", "EmbedFiles"):
            for name in package.get(key) or ():
                path = os.path.relpath(os.path.join(package["Dir"], name), harness.ROOT)
                if path not in names and not path.endswith(("libgosrv.so", "gosrv-monitor.gz")):
                    missing.add(path)
    assert not missing
    assert not [name for name in names if name.endswith("_test.go")]
