"""What imports gunicorn: config files, and programs that make their own server of its classes."""
import subprocess
import sys

import pytest

import harness

pytestmark = [
    pytest.mark.gosrv_only("where Gunicorn is installed these programs run it"),
    pytest.mark.not_green("settings are what it is about"),
]

STAND_IN = harness.ROOT / "pyshim" / "standin"
PROGRAM = '''
import os
import sys

from gunicorn.app.base import BaseApplication

STARTED = os.getpid()
PLACE = sys.argv[1] if len(sys.argv) > 1 else "nowhere"


def post_fork(server, worker):
    worker.log.info("post_fork in %s", PLACE)


class Standalone(BaseApplication):
    def __init__(self, app, options):
        self.application, self.options = app, options
        super().__init__()

    def load_config(self):
        for key, value in self.options.items():
            if key in self.cfg.settings and value is not None:
                self.cfg.set(key.lower(), value)

    def load(self):
        return self.application


def handler(environ, start_response):
    if environ["PATH_INFO"] == "/run":
        Standalone(handler, {}).run()
    body = "%s %s %s %s" % (PLACE, sys.argv[0], STARTED != os.getpid(), __name__)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


if __name__ == "__main__":
    options = {"bind": os.environ.get("T_BIND"), "workers": 2, "post_fork": post_fork, "not_a_setting": 1}
    assert Standalone(handler, options).cfg.workers == 2
    Standalone(handler, options).run()
    raise SystemExit("run() came back")
'''


def program(tmp_path, text=PROGRAM):
    (tmp_path / "serve.py").write_text(text)
    return tmp_path / "serve.py"


def refused(*args, **kw):
    done = harness.run_once(*args, **kw)
    assert done.returncode == 1, done.stderr
    return done.stderr.strip()


@pytest.mark.matrix
def test_a_program_with_its_own_application_class(start, tmp_path):
    path = program(tmp_path)
    server = start("--program", path, "here", cwd="/")
    server.wait_workers(2)
    assert server.get().text == "here %s True __main__" % path
    server.wait_log(r"\[INFO\] post_fork in here$", count=2)
    server.wait_log(r"Settings from: GOSRV_PYTHON, \S+/serve\.py, command line$")


def test_its_settings_count_as_a_config_files(start, tmp_path):
    server = start("--program", program(tmp_path), "--workers", "1", "--", "--there", cwd=tmp_path)
    server.wait_workers(1)
    assert server.get().text.startswith("--there ")


def test_run_in_a_worker_is_an_error_of_the_application(start, tmp_path):
    server = start("--program", program(tmp_path))
    assert server.get("/run").status_code == 500
    server.wait_log("RuntimeError: gosrv is serving already: run\\(\\) is for programs")
    assert server.get().text.startswith("nowhere ")


def test_a_reload_runs_it_anew(start, tmp_path):
    path = program(tmp_path)
    server = start("--program", path)
    old = server.wait_workers(2)
    path.write_text(PROGRAM.replace('"%s %s', '"anew %s %s'))
    server.send_signal(harness.signal.SIGHUP)
    server.wait_workers(2, without=old)
    harness.wait_for(lambda: server.get().text.startswith("anew nowhere "), "the new program's answer")


def test_a_module_and_a_preloaded_application(start, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text("from . import inner\n" + PROGRAM)
    (tmp_path / "package" / "inner.py").write_text("")
    server = start("--program", "python:package", "--preload", cwd=tmp_path)
    assert server.get().text == "nowhere %s True __main__" % (tmp_path / "package" / "__main__.py")


def test_programs_that_cannot_be_served_say_why(tmp_path):
    path = program(tmp_path, "x = 1\n")
    assert refused("--program", path) == (
        "Error: %s ended without a call of run() of its application; to serve a WSGI callable, name it instead: gosrv MODULE:NAME" % path)
    path.write_text("raise SystemExit(7)\n")
    assert refused("--program", path) == "Error: %s ended with exit code 7 before run() of its application" % path
    path.write_text("import nothing_of_that_name\n")
    text = refused("--program", path)
    assert text.startswith("Failed to run the program: %s\nTraceback" % path) and 'serve.py", line 1' in text
    assert refused("--program", tmp_path / "none.py") == "Error: %r doesn't exist" % str(tmp_path / "none.py")
    assert refused("--program", "python:nothing_of_that_name") == "Error: no module nothing_of_that_name to run"
    path.write_text(PROGRAM.replace('"workers": 2', '"workers": -2').replace("== 2", "== -2"))
    assert refused("--program", path).startswith("Error: Value must be positive: -2 (%s: workers = -2; allowed" % path)
    assert "takes the place of a configuration file" in refused("--program", path, "-c", "x.py")
    path.write_text("import sys\nfrom gunicorn.app.wsgiapp import run\nsys.argv[1:] = ['-w', '2', 'hello:app']\nrun()\n")
    assert "start gosrv itself with it: gosrv -w 2 hello:app" in refused("--program", path)
    path.write_text("from gunicorn.arbiter import Arbiter\nArbiter(None).run()\n")
    assert "gosrv has no Arbiter" in refused("--program", path)


def alone(tmp_path):
    """A Python environment with the stand-in on its path in the place of Gunicorn, and gosrv where it is looked for."""
    return dict(env={"PYTHONPATH": str(STAND_IN), "GOSRV": str(harness.binary()), "GOSRV_PYTHON": None}, cwd=tmp_path)


def test_python_runs_the_program_where_the_stand_in_is_installed(start, tmp_path):
    path = program(tmp_path)
    kw = alone(tmp_path)
    kw["env"]["T_BIND"] = "127.0.0.1:0"
    server = start(program=[harness.python(), path, "there"], bind=None, log_level=None, **kw)
    server.wait_workers(2)
    assert server.get().text == "there %s True __main__" % path
    assert server.process.args[0] == harness.python()


def test_python_m_gunicorn_where_the_stand_in_is_installed(start, tmp_path):
    (tmp_path / "mine.py").write_text((harness.APPS / "hello.py").read_text())
    server = start("mine:app", program=[harness.python(), "-m", "gunicorn"], **alone(tmp_path))
    assert server.get().text == "hello two"


def test_config_files_import_gunicorn_with_and_without_it(tmp_path):
    """A Python with nothing installed, and the one of the tests, which has Gunicorn."""
    (tmp_path / "mine.py").write_text((harness.APPS / "hello.py").read_text())
    (tmp_path / "gunicorn.conf.py").write_text('''
import sys
import gunicorn
import gunicorn.app.base
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import AppImportError, ConfigError, HaltServer
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

assert gunicorn.version_info >= (20,)
assert util.parse_address("[::1]:80") == ("::1", 80) and util.parse_address("unix:/a") == "/a"
assert issubclass(ThreadWorker, Worker) and issubclass(HaltServer, BaseException)
print("installed" if getattr(gunicorn, "__file__", None) else "stand-in", "gunicorn" in sys.modules)
''')
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    for python, which in ((sys.executable, "installed"), (tmp_path / "bare" / "bin" / "python", "stand-in")):
        done = harness.run_once("--check-config", "mine:app", cwd=tmp_path, env={"GOSRV_PYTHON": python})
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("%s True\n" % which)


def test_a_config_file_may_be_called_gunicorn_py(start, tmp_path):
    (tmp_path / "mine.py").write_text((harness.APPS / "hello.py").read_text())
    (tmp_path / "gunicorn.py").write_text("from gunicorn.errors import HaltServer\nworkers = 2\n")
    start("mine", "-c", "gunicorn.py", cwd=tmp_path).wait_workers(2)


@pytest.mark.parametrize("text, instead", [
    ("worker_class = 'uvicorn.workers.UvicornWorker'\n", "ASGI server"),
    ("worker_class = 'tornado'\n", "Tornado's own server"),
    ("from gunicorn.workers.sync import SyncWorker\n\n\nclass Mine(SyncWorker):\n    pass\n\n\nworker_class = Mine\n", "use sync, gthread, gevent or eventlet"),
    ("worker_class = 'package.module.Mine'\n", "use sync, gthread, gevent or eventlet"),
])
def test_worker_classes_that_are_not_there_are_refused(tmp_path, text, instead):
    (tmp_path / "gunicorn.conf.py").write_text(text)
    said = refused("hello", cwd=tmp_path)
    assert said.startswith("Error: worker_class ") and "is not supported: " in said and instead in said


def test_named_classes_of_gunicorn_are_taken(tmp_path):
    (tmp_path / "mine.py").write_text((harness.APPS / "hello.py").read_text())
    (tmp_path / "gunicorn.conf.py").write_text("from gunicorn.workers.gthread import ThreadWorker\nworker_class = ThreadWorker\n")
    done = harness.run_once("--check-config", "mine", cwd=tmp_path)
    assert done.returncode == 0 and "class gthread" in done.stdout, done.stderr


def test_the_process_looks_like_gunicorns_to_what_it_runs(start, tmp_path):
    (tmp_path / "looks.py").write_text('''
import json, os, sys

AT_IMPORT = {"argv": list(sys.argv), "software": os.environ.get("SERVER_SOFTWARE"), "gunicorn": "gunicorn" in sys.modules}


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(AT_IMPORT).encode()]
''')
    server = start("looks", cwd=tmp_path)
    seen = server.get().json()
    assert seen["argv"][0] == str(harness.binary()) and "looks" in seen["argv"]
    assert seen["software"].startswith("gunicorn/") and seen["gunicorn"] is True


PASTE = """
def loadapp(uri, name=None, relative_to=None, global_conf=None):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr((uri, name, relative_to, sorted(global_conf.items()))).encode()]

    return application
"""


def test_a_paste_file(start, tmp_path):
    """What PasteDeploy is called with, by a module in its place; and what is said where there is none."""
    (tmp_path / "site.ini").write_text("[app:main]\nuse = egg:site\n")
    assert "--paste needs the package PasteDeploy: pip install PasteDeploy" in refused("--paste", "site.ini", "--check-config", cwd=tmp_path)
    (tmp_path / "paste").mkdir()
    (tmp_path / "paste" / "__init__.py").write_text("")
    (tmp_path / "paste" / "deploy.py").write_text(PASTE)
    server = start("--paste", "site.ini#admin", "--paste-global", "a=b", "--paste-global", r"c\=d=e", cwd=tmp_path)
    assert server.get().text == repr(("config:%s#admin" % (tmp_path / "site.ini"), None, str(tmp_path), [("a", "b"), ("c=d", "e")]))
    assert all("[%s]" % (tmp_path / "site.ini") in worker.title for worker in server.workers())
