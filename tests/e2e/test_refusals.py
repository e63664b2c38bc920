"""What goes wrong at the start, and what is said: one clear message each, the right exit code, no trace of our own."""
import os
import re
import socket
import subprocess
import threading

import pytest

import harness

pytestmark = pytest.mark.not_green("these servers do not start")

OURS = re.compile(r"goroutine \d|panic:|\.go:\d+")


def refused(*args, **kw):
    """Run, expect an end by itself, and check that nothing of the server's own insides is shown."""
    done = harness.run_once("--bind", "127.0.0.1:0", *args, **kw)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert not OURS.search(text), text
    return done.returncode, text


def test_no_application_is_named():
    code, text = refused()
    assert code == 1
    assert "No application module specified" in text


def test_a_worker_count_that_is_no_number():
    code, text = refused("--workers", "two", "hello")
    assert code == 2
    assert "argument -w/--workers: invalid int value: 'two'" in text
    assert "usage: " in text


def test_a_wrong_flag_is_refused():
    code, text = refused("--wokers", "2", "hello")
    assert code == 2
    assert "unrecognized arguments: --wokers" in text


@pytest.mark.gosrv_only("Gunicorn does not suggest")
def test_a_wrong_flag_gets_the_nearest_one_suggested():
    assert "--workers" in refused("--wokers", "2", "hello")[1]


def test_a_flag_without_its_value():
    code, text = refused("hello", "--workers")
    assert code == 2
    assert "expected one argument" in text


def test_the_config_file_is_missing(tmp_path):
    code, text = refused("-c", tmp_path / "nothing.py", "hello")
    assert code == 1
    assert "nothing.py" in text and "doesn't exist" in text


def test_the_config_file_raises(tmp_path):
    (tmp_path / "conf.py").write_text("workers = 2\nworkers = 1 / 0\n")
    code, text = refused("-c", tmp_path / "conf.py", "hello")
    assert code == 1
    assert "ZeroDivisionError: division by zero" in text and "conf.py" in text and "line 2" in text


def test_the_config_file_has_a_bad_value(tmp_path):
    (tmp_path / "conf.py").write_text("workers = 'many'\n")
    code, text = refused("-c", tmp_path / "conf.py", "hello")
    assert code == 1
    assert "workers" in text and "'many'" in text


@pytest.mark.parametrize(
    "name, code, said",
    [
        ("no_such_module", 3, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("hello:nothing", 4, "Failed to find attribute 'nothing' in 'hello'."),
        ("hello:not_callable", 4, "Application object must be callable."),
        ("factory:makes_nothing()", 4, "Failed to find application object: 'makes_nothing()'"),
        ("factory:create_app(name)", 4, "literal"),
        ("syntax_error", 3, "SyntaxError"),
        ("import_error", 3, "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
    ],
)
@pytest.mark.parametrize("preload", [False, True])
def test_the_application_does_not_load(name, code, said, preload):
    got, text = refused(name, *(["--preload"] if preload else []))
    assert said in text
    if preload and harness.kind() == "gunicorn":
        assert got in (1, code)  # Gunicorn's exit code depends on the way the exception leaves the master
    else:
        assert got == code, text


def test_a_syntax_error_shows_its_line():
    _, text = refused("syntax_error")
    assert "def application(environ, start_response)\n" in text
    assert 'syntax_error.py", line 2' in text


def test_an_import_error_shows_pythons_traceback():
    _, text = refused("import_error")
    assert "Traceback (most recent call last):" in text
    assert re.search(r'File ".*import_error\.py", line 2, in <module>', text)


def test_worker_boot_failures_say_so():
    assert "Worker failed to boot" in refused("import_error")[1]
    assert "App failed to load" in refused("hello:nothing")[1]


def test_sys_exit_at_import_says_why():
    """Gunicorn starts such a worker again and again; whether the server ends is not a part of the promise."""
    process = subprocess.Popen(
        harness.command() + ["--bind", "127.0.0.1:0", "exits_at_import"], cwd=harness.APPS, env=harness.environment(),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    try:
        assert any("the settings are incomplete" in line for line in process.stderr)
    finally:
        process.terminate()
        process.stderr.close()
        process.wait(20)


@pytest.mark.gosrv_only("Gunicorn retries for five seconds and does not say who to look for")
def test_the_port_is_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = harness.run_once("--bind", "127.0.0.1:%d" % port, "hello")
    assert done.returncode == 1
    assert "Connection in use: ('127.0.0.1', %d)" % port in done.stderr
    assert done.stderr.count("Connection in use") == 5
    assert "Can't connect to ('127.0.0.1', %d)" % port in done.stderr
    assert re.search(r"\b(ss|lsof|fuser)\b", done.stderr), "tells how to find the owner"
    assert not OURS.search(done.stderr)


def test_the_port_is_in_use_for_a_while_only():
    # Of an address of its own: whatever else runs here may be given the port while it is free.
    host = "127.%d.%d.1" % divmod(os.getpid() % 60000 + 1000, 256)
    taken = socket.create_server((host, 0))
    port = taken.getsockname()[1]
    opened = threading.Event()

    def release():
        opened.wait(30)
        taken.close()

    waiter = threading.Thread(target=release)
    waiter.start()
    process = subprocess.Popen(
        harness.command() + ["--bind", "%s:%d" % (host, port), "hello"], cwd=harness.APPS, env=harness.environment(),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    try:
        for line in process.stderr:
            if "Connection in use" in line:
                opened.set()
            if "Listening at" in line:
                break
        else:
            raise AssertionError("ended without listening")
    finally:
        opened.set()
        process.terminate()
        process.stderr.close()
        process.wait(20)
        waiter.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give its rights up")
@pytest.mark.gosrv_only("Gunicorn shows a traceback of its own")
def test_permission_denied_for_a_unix_socket(tmp_path):
    code, text = refused("--bind", "unix:/proc/app.sock", "hello")
    assert code == 1
    assert "/proc/app.sock" in text


@pytest.mark.gosrv_only("Gunicorn takes the path away from the live server")
def test_a_unix_path_of_a_live_server_is_not_taken(start):
    first = start("hello", bind="unix:DIR/app.sock")
    path = first.address
    done = harness.run_once("--bind", "unix:" + path, "hello")
    assert done.returncode == 1
    assert path in done.stderr and "in use" in done.stderr
    with first.wire() as wire:
        assert wire.get("/").body == b"hello app"


def test_a_stale_unix_path_is_taken_over(start, tmp_path):
    path = str(tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    server = start("hello", bind="unix:" + path)
    with server.wire() as wire:
        assert wire.get("/").body == b"hello app"


def test_a_unix_path_that_is_a_file_is_not_removed(tmp_path):
    path = tmp_path / "precious"
    path.write_text("keep me")
    harness.run_once("--bind", "unix:%s" % path, "hello")
    assert path.read_text() == "keep me"


@pytest.mark.gosrv_only("the choice of a Python is gosrv's own")
class TestNoPython:
    """Which Python is embedded, and what is said when there is none."""

    def test_an_explicit_one_that_is_missing_is_no_fallback(self):
        code, text = refused("--python", "/nowhere/python3", "hello")
        assert code == 1
        assert "/nowhere/python3" in text

    def test_the_variable_names_one_that_is_missing(self):
        code, text = refused("hello", env={"GOSRV_PYTHON": "/nowhere/python3"})
        assert code == 1
        assert "/nowhere/python3" in text

    def test_none_on_the_path(self, tmp_path):
        code, text = refused("hello", env={"GOSRV_PYTHON": None, "PATH": str(tmp_path)})
        assert code == 1
        assert "--python" in text

    def test_one_that_is_no_python(self, tmp_path):
        fake = tmp_path / "python3"
        fake.write_text("#!/bin/sh\necho not a python\n")
        fake.chmod(0o755)
        code, text = refused("--python", fake, "hello")
        assert code == 1
        assert str(fake) in text

    def stand_in(self, tmp_path, lie):
        """A python3 that tells the truth but for what `lie` (Python source) changes before any other code runs."""
        fake = tmp_path / "python3"
        real = os.path.realpath(harness.python())
        fake.write_text('#!/bin/sh\nwhile [ "$1" != -c ]; do shift; done\nexec %s -S -c "%s\n$2"\n' % (real, lie))
        fake.chmod(0o755)
        return fake

    def test_one_that_is_too_old(self, tmp_path):
        fake = self.stand_in(tmp_path, "import sys; sys.version_info = (3, 6, 15, 'final', 0); sys.version = '3.6.15'; sys.hexversion = 0x03060ff0")
        code, text = refused("--python", fake, "hello")
        assert code == 1
        assert "3.9" in text and "3.6" in text and str(fake) in text

    def test_a_libpython_of_another_release(self, tmp_path):
        fake = self.stand_in(tmp_path, "import sys; sys.version = '3.99.1 (main)'")
        code, text = refused("--python", fake, "hello")
        assert code == 1
        assert "libpython does not fit" in text and "but python is 3.99.1" in text and "--python" in text

    def test_a_venv_whose_python_is_gone_is_not_passed_over(self, tmp_path):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python").symlink_to("/opt/gone/bin/python3")
        (tmp_path / "pyvenv.cfg").write_text("home = /opt/gone/bin\nversion = 3.11.7\n")
        code, text = refused("hello", env={"GOSRV_PYTHON": None, "VIRTUAL_ENV": tmp_path})
        assert code == 1
        assert "/opt/gone/bin" in text and "is gone" in text and "python3 -m venv --clear %s" % tmp_path in text

    def test_the_venv_variable_is_followed(self, start):
        venv = os.path.dirname(os.path.dirname(harness.python()))
        server = start("interpreter_facts", env={"GOSRV_PYTHON": None, "VIRTUAL_ENV": venv, "PATH": "/usr/bin:/bin"})
        assert server.get().json()["prefix"] == venv

    def test_python3_on_the_path_is_followed(self, start):
        bin_dir = os.path.dirname(harness.python())
        server = start("interpreter_facts", env={"GOSRV_PYTHON": None, "PATH": bin_dir + ":/usr/bin:/bin"})
        assert server.get().json()["prefix"] == os.path.dirname(bin_dir)

    def test_the_flag_beats_the_variable(self, start):
        server = start("interpreter_facts", "--python", harness.python(), env={"GOSRV_PYTHON": "/nowhere/python3"})
        assert server.get().json()["executable"] == harness.python()


@pytest.mark.gosrv_only("every Gunicorn setting has its effect in Gunicorn")
def test_settings_without_effect_are_accepted_with_a_warning(start):
    server = start("hello", "--statsd-host", "127.0.0.1:8125", "--http-protocols", "h1")
    assert server.get().text == "hello app"

