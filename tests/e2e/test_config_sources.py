"""Where settings come from besides Gunicorn's places: GOSRV_ variables, gosrv.toml, workers = auto; and what the server
says about them."""
import os
import pty
import re
import subprocess

import pytest

import harness
from wire import Wire

pytestmark = [pytest.mark.gosrv_only("Gunicorn has none of these"), pytest.mark.not_green("settings are what it is about")]


def folder(tmp_path, **files):
    """A folder with an application and the given files; `gosrv_toml` stands for gosrv.toml."""
    (tmp_path / "mine.py").write_text((harness.APPS / "pids.py").read_text())
    for name, text in files.items():
        name = name.replace("_conf_py", ".conf.py").replace("_toml", ".toml")
        (tmp_path / name).write_text(text)
    return tmp_path


def checked(*args, cwd, **env):
    done = harness.run_once("--check-config", *args, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*args, cwd=harness.APPS, **env):
    done = harness.run_once("mine", *args, cwd=cwd, env=env)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.strip()


def test_every_place_in_its_order(start, tmp_path):
    home = folder(tmp_path, gunicorn_conf_py="raw_env = ['T_A=py', 'T_FROM=py']\nthreads = 2\nproc_name = 'py'\n",
                  gosrv_toml='proc_name = "toml"\nraw_env = ["T_FROM=toml"]\n')
    server = start("mine", cwd=home, env={"GUNICORN_CMD_ARGS": "--name args", "GOSRV_WORKERS": "2", "GOSRV_PROC_NAME": "variable"})
    server.wait_workers(2)
    facts = server.get().json()
    assert facts["env"]["T_FROM"] == "toml" and "T_A" not in facts["env"] and facts["multithread"] is True
    assert all("[variable]" in worker.title for worker in server.workers())
    assert re.search(r"\[INFO\] Settings from: GOSRV_PYTHON, \./gunicorn\.conf\.py, gosrv\.toml, GUNICORN_CMD_ARGS, GOSRV_PROC_NAME, GOSRV_WORKERS, command line$",
                     server.log, re.M)
    assert re.search(r"\[INFO\] Serving mine by 2 workers of 2 threads with Python 3\.\d+ \(%s\)$" % re.escape(harness.python()), server.log, re.M)


def test_a_reload_reads_the_toml_file_again(start, tmp_path):
    home = folder(tmp_path, gosrv_toml="workers = 1\n")
    server = start("mine", cwd=home)
    old = server.wait_workers(1)
    (home / "gosrv.toml").write_text("workers = 2\n")
    server.send_signal(harness.signal.SIGHUP)
    server.wait_workers(2, without=old)
    new = server.worker_pids()
    (home / "gosrv.toml").write_text("workers = 2\nwrokers = 3\n")
    server.send_signal(harness.signal.SIGHUP)
    server.wait_log(r"gosrv\.toml:2: there is no setting wrokers; did you mean workers\?")
    assert server.worker_pids() == new


def test_a_toml_file_named_by_c_is_the_only_file(tmp_path):
    home = folder(tmp_path, gunicorn_conf_py="workers = 2\n", gosrv_toml="threads = 2\n",
                  other_toml='timeout = "1m30s"\nlimit_request_body = "10MB"\npost_fork = "mine.hook"\n')
    (home / "mine.py").write_text("def hook(server, worker):\n    pass\n\n\ndef application(environ, start_response):\n    pass\n")
    said = checked("-c", "other.toml", "mine", cwd=home)
    assert "settings from  GOSRV_PYTHON, other.toml, command line\n" in said
    assert "timeout = 90 (other.toml:1)" in said and "limit_request_body = 10485760 (other.toml:2)" in said
    assert "workers = " not in said and "threads = " not in said


def test_pyproject_toml_names_the_application_and_the_python(tmp_path):
    home = folder(tmp_path, pyproject_toml='[project]\nname = "x"\n\n[tool.gosrv]\nwsgi_app = "mine"\npython = "%s"\nworkers = 2\n' % harness.python())
    said = checked(cwd=home, GOSRV_PYTHON=None, PATH="/nonexistent")
    assert said.startswith("gosrv ") and said.splitlines()[0].endswith(" would serve mine")
    assert "2 workers, class sync" in said and "workers = 2 (pyproject.toml:7)" in said


def test_wrong_names_and_values_say_where_and_what_instead(tmp_path):
    home = folder(tmp_path, gosrv_toml="workers = 2\n[secure_scheme_headers]\n")
    assert refused(cwd=home, GOSRV_LOG_LEVEL="debug") == (
        "Error: environment variable GOSRV_LOG_LEVEL: there is no such setting; did you mean GOSRV_LOGLEVEL?")
    assert refused(cwd=home, GOSRV_TIMEOUT="soon") == (
        "Error: invalid literal for int() with base 0: 'soon' (environment variable GOSRV_TIMEOUT: timeout = 'soon'; "
        "allowed: an integer of 0 or more; seconds like 30, 30s or 5m)")
    (home / "gosrv.toml").write_text("workers = 2\nkeep-alive = 3\n")
    assert refused(cwd=home) == "Error: gosrv.toml:2: there is no setting keep-alive; did you mean keepalive?"
    (home / "gosrv.toml").write_text("workers = [\n")
    assert refused(cwd=home).startswith("Error: gosrv.toml:")


def test_workers_auto_counts_the_processors_that_may_be_used(start):
    one = {min(os.sched_getaffinity(0))}
    with_one = ["taskset", "-c", str(min(one)), *harness.command()]
    server = start("pids", "--workers", "auto", program=with_one)
    server.wait_workers(3)
    server.wait_log(r"\[INFO\] Workers: 3 = 2 x 1 processors \+ 1 \(auto: as many as this process may run on\)$")


def test_check_config_says_what_would_run():
    said = checked("hello:app", "--bind", "127.0.0.1:1", "-b", "unix:/nowhere/x", "--threads", "3", "--worker-tmp-dir", "/dev/shm", cwd=harness.APPS)
    assert re.fullmatch(
        r"gosrv \S+ would serve hello:app\n"
        r"  python         Python 3\.\d+ \(%s\)\n"
        r"  workers        1 worker of 3 threads, class gthread\n"
        r"  listening at   127\.0\.0\.1:1, unix:/nowhere/x\n"
        r"  settings from  GOSRV_PYTHON, command line\n"
        r"    bind = \['127\.0\.0\.1:1', 'unix:/nowhere/x'\] \(command line\)\n"
        r"    check_config = True \(command line\)\n"
        r"    python = '%s' \(environment variable GOSRV_PYTHON\)\n"
        r"    threads = 3 \(command line\)\n"
        r"    worker_tmp_dir = '/dev/shm' \(command line\)\n"
        r"  note: worker_tmp_dir: accepted, no effect: .*\n" % ((re.escape(harness.python()),) * 2), said)


def served_as(server):
    with Wire(server.address) as wire:
        return wire.get("/").get("Server")


@pytest.mark.parametrize("args, conf, header", [
    ([], "", "gosrv"),
    (["--server-header", "Apache/2.4 (Win32)"], "", "Apache/2.4 (Win32)"),
    (["--server-header", "off"], "", None),
    ([], "import gunicorn\ngunicorn.SERVER = 'undisclosed'\n", "undisclosed"),
    ([], "import gunicorn\ngunicorn.SERVER = 'x'\nserver_header = 'off'\n", None),
])
def test_server_header(start, tmp_path, args, conf, header):
    server = start("mine", *args, cwd=folder(tmp_path, gunicorn_conf_py=conf))
    assert served_as(server) == header


def test_server_header_cannot_make_another_header():
    assert "not a header value" in refused("--server-header", "a\r\nSet-Cookie: b")


def help_on_a_terminal(**env):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*harness.command(), "--help"], env=harness.environment(TERM="xterm", **env), stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 65536)
        except OSError:  # nobody holds the other end any more
            break
    os.close(ours)
    assert process.wait(30) == 0
    return text.decode().replace("\r\n", "\n")


def test_help_is_coloured_on_a_terminal_only():
    plain = harness.run_once("--help").stdout
    assert "\x1b" not in plain and max(map(len, plain.splitlines())) <= 80
    coloured = help_on_a_terminal()
    assert "\x1b[1mMost used:\x1b[0m" in coloured and re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert help_on_a_terminal(NO_COLOR="1") == plain
    first = plain[plain.index("Most used:"):].split("\n\n")[0]
    assert len(re.findall(r"^  -", first, re.M)) == 10
