"""The embedded interpreter is indistinguishable from `python`: whatever an application can ask, the answers are equal."""
import json
import os
import subprocess

import pytest

import harness
import pythons

pytestmark = pytest.mark.not_green("patching changes what is compared")

LOCALES = [{"LANG": "C", "LC_ALL": None}, {"LANG": "C.UTF-8", "LC_ALL": None}, {"LANG": None, "LC_ALL": "POSIX"}, {"LANG": None, "LC_ALL": None}]
VARIABLES = [
    {"PYTHONUTF8": "1"},
    {"PYTHONUTF8": "0"},
    {"PYTHONDEVMODE": "1"},
    {"PYTHONOPTIMIZE": "2"},
    {"PYTHONDONTWRITEBYTECODE": None},
    {"PYTHONWARNINGS": "error::BytesWarning,ignore::UserWarning"},
    {"PYTHONHASHSEED": "7"},
    {"PYTHONIOENCODING": "latin-1:replace"},
    {"PYTHONNOUSERSITE": "1"},
    {"PYTHONPATH": "/nowhere/a:/nowhere/b"},
    {"PYTHONPYCACHEPREFIX": "/tmp/nowhere"},
    {"PYTHONCOERCECLOCALE": "0", "LANG": "C", "LC_ALL": None},
    {"PYTHONUNBUFFERED": "1"},
    {"PYTHONFAULTHANDLER": "1"},
    {"PYTHONMALLOC": "debug"},
    {"PYTHONTRACEMALLOC": "2"},
    {"PYTHONSAFEPATH": "1"},
    {"PYTHONINTMAXSTRDIGITS": "1000"},
    {"PYTHONVERBOSE": None, "PYTHONINSPECT": None},
]
# sys.path[0] is the application's folder here and the current one there; everything after it must be equal.
OF_THE_PROCESS = {"path", "main_thread_is_process", "getenv_gosrv"}


def name_of(changes):
    return ",".join("%s=%s" % (key, value) for key, value in changes.items())


def plain_python(changes):
    """What `python -c` says under the same environment."""
    env = harness.environment(**changes)
    env.pop("GOSRV_PYTHON", None)
    done = subprocess.run(
        [harness.python(), "-c", "import sys; sys.path.insert(0, %r); import interpreter_facts as f; f.show()" % str(harness.APPS)],
        env=env, cwd=harness.APPS, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.matrix
@pytest.mark.parametrize("changes", LOCALES + VARIABLES, ids=name_of)
def test_the_interpreter_equals_python(start, changes):
    ours = start("interpreter_facts", env=changes).get().json()
    theirs = plain_python(changes)
    different = {key: (ours.get(key), theirs[key]) for key in theirs if key not in OF_THE_PROCESS and ours.get(key) != theirs[key]}
    if os.environ.get("GOSRV_FREE_THREADED"):  # which runs with its GIL here, and says so
        assert ours["flags"].pop("gil") == 1
        theirs["flags"].pop("gil")
        if ours["flags"] == theirs["flags"]:
            different.pop("flags")
    assert not different, "(ours, python's)"
    tail = [entry for entry in theirs["path"] if entry not in ("", str(harness.APPS))]
    assert [entry for entry in ours["path"] if entry not in ("", str(harness.APPS))] == tail
    assert str(harness.APPS) in ours["path"][:2]
    assert ours["main_thread_is_process"] is True
    assert ours["getenv_gosrv"] == []


@pytest.mark.matrix
def test_the_executable_is_usable(start):
    facts = start("interpreter_facts").get().json()
    assert facts["executable"] == harness.python()
    assert os.path.samefile(facts["executable"], harness.python())
    assert facts["prefix"] == os.path.dirname(os.path.dirname(harness.python()))
    assert facts["prefix"] != facts["base_prefix"], "a venv is a venv"


@pytest.mark.gosrv_only("gosrv chooses a Python; Gunicorn is run by one")
@pytest.mark.parametrize("python", pythons.discover(), ids=str)
def test_every_python_of_the_machine_serves(start, python):
    """Without a venv, straight from where it is installed."""
    server = start("interpreter_facts", "--python", python.executable, "-w", "2")
    facts = server.get().json()
    assert facts["version"] == python.text
    assert facts["prefix"] == facts["base_prefix"] == python.prefix


def test_arguments_are_the_servers(start, tmp_path):
    (tmp_path / "argv.py").write_text(
        "import json, sys\nat_import = list(sys.argv)\n\n"
        "def application(environ, start_response):\n"
        "    body = json.dumps([at_import, sys.argv, sys.orig_argv if hasattr(sys, 'orig_argv') else None]).encode()\n"
        "    start_response('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n"
    )
    at_import, argv, _ = start("argv", "-w", "1", cwd=tmp_path).get().json()
    assert at_import == argv
    assert argv[0] and argv[-1] == "1" and "argv" in argv


def test_time_zone_of_the_environment(start, tmp_path):
    (tmp_path / "zone.py").write_text(
        "import time\n\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [time.tzname[0].encode()]\n"
    )
    assert start("zone", cwd=tmp_path, env={"TZ": "Asia/Tokyo"}).get().text == "JST"


@pytest.mark.matrix
def test_a_sleep_in_a_thread_of_the_pool_is_as_exact_as_elsewhere(start):
    ours = start("interpreter_facts", "--threads", "2").get().json()
    assert ours["timer_slack"] == plain_python({})["timer_slack"]
