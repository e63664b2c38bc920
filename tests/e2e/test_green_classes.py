"""The names by which people ask for gevent and eventlet, wherever Gunicorn takes a worker class, and what is said where one cannot be had."""
import subprocess
import textwrap
from pathlib import Path

import pytest

import harness

pytestmark = [pytest.mark.green, pytest.mark.matrix]
EGGS = pytest.mark.gosrv_only("Gunicorn 27 has lost its entry points")
GEVENT = [
    "gevent", "gunicorn.workers.ggevent.GeventWorker", pytest.param("egg:gunicorn#gevent", marks=EGGS), "gevent_wsgi", "gevent_pywsgi",
    "gunicorn.workers.ggevent.GeventPyWSGIWorker", pytest.param("egg:gunicorn#gevent_pywsgi", marks=EGGS),
    "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
]
EVENTLET = ["eventlet", "gunicorn.workers.geventlet.EventletWorker", "egg:gunicorn#eventlet"]
PYWSGI = ("pywsgi", "gevent_wsgi", "PyWSGI")
OURS = pytest.mark.gosrv_only("the message is gosrv's")


def served(server, name):
    found = server.get("/facts").json()
    library = "eventlet" if "event" in name and "let" in name else "gevent"
    assert found["socket"] == library and found["multithread"] is True and not found["main"], found
    if server.kind == "gosrv":
        assert found["sock"] == any(word in name for word in PYWSGI), found
    return found


@pytest.mark.gevent_only("these are gevent's")
@pytest.mark.parametrize("name", GEVENT)
def test_a_name_of_gevents(start, name):
    served(start("-k", name, "green_import"), name)


@pytest.mark.skipif(harness.worker_class() != "eventlet" or harness.kind() != "gosrv", reason="Gunicorn has no eventlet any more")
@pytest.mark.parametrize("name", EVENTLET)
def test_a_name_of_eventlets(start, name):
    """Said once that its authors ask people to leave it; the warning of the library itself is not repeated by each worker."""
    server = start("-k", name, "-w", "3", "green_import", log_level="info")
    server.wait_workers(3)
    served(server, name)
    assert len([line for line in server.log.splitlines() if "WARNING" in line and "eventlet" in line]) == 1, server.log


@pytest.mark.parametrize("preload", ["", "preload_app = True"], ids=["worker", "preload"])
def test_a_config_file_as_projects_have_it(start, tmp_path, preload):
    """threads is ignored in it, as there."""
    (tmp_path / "conf.py").write_text(textwrap.dedent("""
        import multiprocessing
        workers = 2
        worker_class = %r
        worker_connections = 1000
        threads = 4
        keepalive = 5
        max_requests = 10000
        max_requests_jitter = 100
        timeout = 60
        graceful_timeout = 30
        %s
    """) % (harness.worker_class(), preload))
    server = start("-c", tmp_path / "conf.py", "-k", harness.worker_class(), "green_import")
    server.wait_workers(2)
    assert "Using worker: " in server.log
    served(server, harness.worker_class())


def test_settings_from_the_environment(start):
    server = start("-k", harness.worker_class(), "green_import", env={"GUNICORN_CMD_ARGS": "--worker-connections 500 -w 2"})
    server.wait_workers(2)
    served(server, harness.worker_class())


def refused(*args, **kw):
    done = harness.run_once("--bind", "127.0.0.1:0", *args, **kw)
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "goroutine" not in text and "Traceback" not in text, text
    return text


@OURS
def test_the_library_is_not_there(tmp_path):
    """The message names the environment that it has to be installed into."""
    subprocess.run([harness.python(), "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    text = refused("-k", harness.worker_class(), "hello", "--python", tmp_path / "bare" / "bin" / "python")
    assert "pip install %s" % harness.worker_class() in text and str(tmp_path / "bare") in text
    assert "worker_class '%s'" % harness.worker_class() in text


@OURS
@pytest.mark.gevent_only("eventlet has no oldest version")
def test_the_library_is_too_old(tmp_path):
    (tmp_path / "gevent").mkdir()
    (tmp_path / "gevent" / "__init__.py").write_text("__version__ = '22.10.2'\n")
    (tmp_path / "gevent-22.10.2.dist-info").mkdir()
    (tmp_path / "gevent-22.10.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gevent\nVersion: 22.10.2\n")
    text = refused("-k", "gevent", "hello", env={"PYTHONPATH": tmp_path})
    assert "24.10.1" in text and "22.10.2" in text


@OURS
def test_gevent_websocket_is_not_there(tmp_path):
    """An environment that has all the others: theirs are linked into it."""
    subprocess.run([harness.python(), "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    source, target = (Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
                      for python in (harness.python(), tmp_path / "bare" / "bin" / "python"))
    for entry in source.iterdir():
        if "websocket" not in entry.name:
            (target / entry.name).symlink_to(entry)
    text = refused("-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker", "hello", "--python", tmp_path / "bare" / "bin" / "python")
    assert "pip install gevent-websocket" in text


@OURS
@pytest.mark.parametrize("args, words", [
    (("--refork-after", "100"), ["refork"]),
    (("-k", "meinheld.gmeinheld.MeinheldWorker"), ["meinheld", "gevent"]),
    (("-k", "egg:meinheld#gunicorn_worker"), ["meinheld", "gevent"]),
    (("-k", "tornado"), ["tornado", "sync"]),
    (("-k", "gunicorn.workers.gtornado.TornadoWorker"), ["ornado"]),
], ids=["refork", "meinheld", "meinheld-egg", "tornado", "tornado-dotted"])
def test_what_is_refused(args, words):
    text = refused(*(args if "-k" in args else ("-k", harness.worker_class()) + args), "hello")
    assert "Error" in text or "not supported" in text
    for word in words:
        assert word in text, text


@OURS
def test_a_subclass_of_gevents_worker(tmp_path):
    """The hook that does the same is named."""
    (tmp_path / "own.py").write_text("class PatchedWorker:\n    pass\n")
    text = refused("-k", "own.PatchedWorker", "hello", env={"PYTHONPATH": tmp_path})
    assert "post_fork" in text
