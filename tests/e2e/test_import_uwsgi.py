"""gosrv import-uwsgi: what it prints is a configuration that the server takes, and that serves as the file said."""
import json
import os

import pytest

import harness
from waiting import wait_for

pytestmark = [pytest.mark.gosrv_only("Gunicorn imports nothing"), pytest.mark.not_green("settings are what it is about")]

INI = """
[uwsgi]
; the way most files look
project = shop
base = %d
chdir = %(base)/%(project)
wsgi-file = wsgi/main.py
callable = app
home = /srv/venv
master = true
processes = 2
threads = %(processes + 1)
socket = %(base)/%n.sock
chmod-socket = 660
vacuum
harakiri = 20
max-requests = 5000
buffer-size = 32768
env = T_PLAIN=shop.settings
env = T_QUOTED="a 'b' \\
env = T_SECRET=$(T_TOLD)
log-format = %(addr) "%(method) %(uri)" %(status)
static-map = /static=/srv/static
touch-reload = %p
"""

APP = """
import json, os, threading

def app(environ, start_response):
    body = json.dumps({"cwd": os.getcwd(), "threads": environ["wsgi.multithread"],
                       "env": {k: v for k, v in os.environ.items() if k.startswith("T_")}}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "shop" / "wsgi").mkdir(parents=True)
    (tmp_path / "shop" / "wsgi" / "main.py").write_text(APP)
    (tmp_path / "site.ini").write_text(INI)
    return tmp_path


@pytest.mark.matrix
def test_what_is_printed_serves(start, home):
    done = harness.run_once("import-uwsgi", "site.ini", cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    (home / "gunicorn.conf.py").write_text(done.stdout)
    env = {"T_TOLD": "a secret"}
    checked = harness.run_once("--check-config", cwd=home, env=env)
    assert checked.returncode == 0, checked.stderr
    server = start(cwd=home, env=env, bind=None, ready=None)
    assert server.addresses == [str(home / "site.sock")]
    server.wait_workers(2)
    with server.wire() as wire:
        facts = json.loads(wire.get("/a?b").body)
    assert facts == {"cwd": str(home / "shop"), "threads": True,
                     "env": {"T_TOLD": "a secret", "T_PLAIN": "shop.settings", "T_QUOTED": "\"a 'b' \\", "T_SECRET": "a secret"}}
    assert os.stat(home / "site.sock").st_mode & 0o666 == 0o660
    wait_for(lambda: '"GET /a?b" 200\n' in server.out, lambda: "the line of the access log in %r" % server.out)


def test_a_variable_that_is_not_there_is_named(home):
    (home / "gunicorn.conf.py").write_text(harness.run_once("import-uwsgi", "site.ini", cwd=home).stdout)
    done = harness.run_once("--check-config", cwd=home)
    assert done.returncode == 1 and "KeyError: 'T_TOLD'" in done.stderr


def test_other_formats_are_refused(home):
    (home / "site.yaml").write_text("uwsgi:\n  module: shop\n")
    done = harness.run_once("import-uwsgi", "site.yaml", cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "gosrv import-uwsgi: site.yaml: only ini files are read, not yaml; write the options as `key = value` lines below [uwsgi]\n"
