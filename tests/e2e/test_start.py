"""How a server is started: names of applications, binds, settings from every source, and the lines the log shows."""
import os
import re

import pytest

import harness
from wire import Wire

STAMP = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[INFO\] "


@pytest.mark.matrix
def test_start_lines_look_as_gunicorns(start):
    server = start("hello:app", "--workers", "2", log_level=None)
    server.wait_log(STAMP + r"Booting worker with pid: \d+$", count=2)
    lines = [line for line in server.log.splitlines() if "[INFO]" in line]
    assert re.search(STAMP + r"Starting (gosrv|gunicorn) \S+$", lines[0])
    assert re.search(STAMP + r"Listening at: http://127\.0\.0\.1:%d \(%d\)$" % (server.port, server.pid), lines[1])
    assert re.search(STAMP + r"Using worker: %s$" % (harness.worker_class() or "sync"), lines[2])
    assert server.get().text == "hello two"


def test_booting_lines_name_the_workers(start):
    server = start("hello:app", "--workers", "2")
    server.wait_log(harness.BOOTING.pattern, count=2)
    server.wait_workers(2)
    assert {int(pid) for pid in harness.BOOTING.findall(server.log)} == set(server.worker_pids())


@pytest.mark.parametrize(
    "name, answer",
    [
        ("hello", "hello app"),
        ("hello:app", "hello two"),
        ("factory:create_app()", "made for default, debug=True"),
        ('factory:create_app("prod", debug=False)', "made for prod, debug=False"),
    ],
)
def test_names_of_applications(start, name, answer):
    assert start(name).get().text == answer


def test_the_application_may_come_from_the_config_file(start, tmp_path):
    (tmp_path / "conf.py").write_text("wsgi_app = 'hello:app'\n")
    assert start("-c", tmp_path / "conf.py").get().text == "hello two"


def test_the_application_is_found_in_the_chdir_folder(start, tmp_path):
    (tmp_path / "here.py").write_text((harness.APPS / "hello.py").read_text())
    server = start("here:app", "--chdir", tmp_path, cwd="/")
    assert server.get().text == "hello two"


def test_pythonpath_is_searched(start, tmp_path):
    (tmp_path / "elsewhere.py").write_text((harness.APPS / "hello.py").read_text())
    assert start("elsewhere:app", "--pythonpath", tmp_path).get().text == "hello two"


def test_unix_and_ipv6_sockets_together(start):
    server = start("hello", bind=["unix:DIR/app.sock", "[::1]:0", "127.0.0.1:0"])
    unix, six, four = server.addresses
    assert unix.endswith("/app.sock") and six[0] == "::1" and four[0] == "127.0.0.1"
    for address in (unix, six, four):
        with Wire(address) as wire:
            assert wire.get("/").body == b"hello app"
    server.stop()
    assert not os.path.exists(unix)


@pytest.mark.not_green("it is about threads")
def test_threads_make_the_worker_class_gthread(start):
    server = start("hello", "-w", "2", "--threads", "2", log_level=None)
    server.wait_log(STAMP + "Using worker: gthread$")
    assert server.get().text == "hello app"


def test_port_variable_means_every_interface(start):
    server = start("hello", bind=None, env={"PORT": "0"})
    assert server.address[0] == "0.0.0.0"
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.get("/").body == b"hello app"


def test_web_concurrency_gives_the_number_of_workers(start):
    server = start("hello", env={"WEB_CONCURRENCY": "3"})
    server.wait_workers(3)


def test_command_line_beats_environment_beats_file(start, tmp_path):
    (tmp_path / "conf.py").write_text("workers = 4\nproc_name = 'from file'\nraw_env = ['T_FROM=file']\n")
    conf = ["-c", tmp_path / "conf.py"]
    start("pids", *conf).wait_workers(4)
    start("pids", *conf, env={"GUNICORN_CMD_ARGS": "--workers=3"}).wait_workers(3)
    server = start("pids", *conf, "--workers", "2", env={"GUNICORN_CMD_ARGS": "--workers=3"})
    server.wait_workers(2)
    assert server.get().json()["env"]["T_FROM"] == "file"


def test_gunicorn_cmd_args_are_split_as_a_shell_does(start):
    server = start("pids", env={"GUNICORN_CMD_ARGS": "--env 'T_WORDS=two words' -w 2"})
    server.wait_workers(2)
    assert server.get().json()["env"]["T_WORDS"] == "two words"


def test_the_application_sees_no_variable_of_the_server(start):
    seen = start("pids").get().json()["env"]
    assert not [name for name in seen if name.startswith("_")], seen


def test_workers_are_children_of_the_master(start):
    server = start("pids", "--workers", "2")
    facts = server.get().json()
    assert facts["ppid"] == server.pid
    assert facts["pid"] in server.worker_pids()
    assert facts["imported_in"] == facts["pid"]
    assert facts["multiprocess"] is True and facts["multithread"] is bool(harness.worker_class())


def test_default_config_file_of_the_folder_is_read(start, tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\n")
    (tmp_path / "mine.py").write_text((harness.APPS / "hello.py").read_text())
    start("mine", cwd=tmp_path).wait_workers(2)


def test_hooks_and_computed_workers(start, tmp_path):
    (tmp_path / "conf.py").write_text(
        """
import multiprocessing, os

workers = min(multiprocessing.cpu_count(), 1) + 1
home = os.path.dirname(os.path.abspath(__file__))


def note(name, *facts):
    with open(os.path.join(home, "notes"), "a") as f:
        f.write(" ".join([name, str(os.getpid())] + [str(fact) for fact in facts]) + "\\n")


def on_starting(server):
    note("on_starting")


def when_ready(server):
    note("when_ready", server.num_workers)


def pre_fork(server, worker):
    note("pre_fork", worker.age)


def post_fork(server, worker):
    note("post_fork", worker.pid == os.getpid(), worker.cfg.workers)
    server.log.info("post_fork says hello from %s", worker.pid)


def post_worker_init(worker):
    note("post_worker_init", callable(worker.wsgi))


def worker_exit(server, worker):
    note("worker_exit", worker.pid)
"""
    )
    server = start("pids", "-c", tmp_path / "conf.py")
    pids = server.wait_workers(2)
    server.get()
    server.wait_log(r"\[INFO\] post_fork says hello from \d+", count=2)

    def notes():
        return [line.split() for line in (tmp_path / "notes").read_text().splitlines()]

    harness.wait_for(lambda: len([n for n in notes() if n[0] == "post_worker_init"]) == 2, "both workers' init")
    names = [note[0] for note in notes()]
    assert names[0] == "on_starting"
    assert "when_ready" in names
    assert sorted(note[2] for note in notes() if note[0] == "pre_fork") == ["1", "2"]
    assert {int(note[1]) for note in notes() if note[0] == "post_fork"} == set(pids)
    assert all(note[2:] == ["True", "2"] for note in notes() if note[0] == "post_fork")
    assert all(note[2] == "True" for note in notes() if note[0] == "post_worker_init")
    assert ["when_ready", "2"] in [[note[0], note[2]] for note in notes() if note[0] == "when_ready"]
    server.stop()
    assert sorted(int(note[2]) for note in notes() if note[0] == "worker_exit") == sorted(pids)


def test_a_platforms_usual_command_line(start, tmp_path):
    """What hosting platforms put in their templates, taken as it is."""
    log = tmp_path / "error.log"
    server = start(
        "prints", "--workers=2", "--worker-tmp-dir", "/dev/shm", "--capture-output", "--enable-stdio-inheritance",
        "--error-logfile", log, bind=None, env={"PORT": "0"}, log=log,
    )
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.get("/").body == b"printed"
    for words in ("IMPORT-STDOUT", "REQUEST-STDOUT", "REQUEST-STDERR", "REQUEST-ERRORS", "RAW-STDOUT"):
        server.wait_log(words)


def test_without_capture_output_goes_where_it_went(start):
    server = start("prints")
    server.get()
    harness.wait_for(lambda: "REQUEST-STDOUT" in server.out and "RAW-STDOUT" in server.out, "the application's stdout")
    assert "REQUEST-STDERR" in server.log and "REQUEST-ERRORS" in server.log


def test_version_is_said_and_ends(tmp_path):
    done = harness.run_once("--version")
    assert done.returncode == 0
    first, _, more = done.stdout.partition("\n")
    assert re.fullmatch(r"(gosrv|gunicorn) \(version \S+\)", first)
    if first.startswith("gosrv"):
        assert re.fullmatch(r"commit (unknown|[0-9a-f]{12}( with changes)?), go\S+( .*)? for linux/\w+\nfeatures: .*gthread, .*sync.*\n", more)


def test_help_names_the_flags():
    done = harness.run_once("--help")
    assert done.returncode == 0
    for flag in ("--bind", "--workers", "--threads", "--config", "--preload", "--worker-class", "--timeout"):
        assert flag in done.stdout


def test_check_config_loads_the_application():
    assert harness.run_once("--check-config", "hello:app").returncode == 0
    assert harness.run_once("--check-config", "hello:nothing").returncode != 0


def test_unambiguous_beginnings_of_flags_are_taken(start):
    server = start("hello", "--worker-conn", "5", "-w2")
    server.wait_workers(2)
