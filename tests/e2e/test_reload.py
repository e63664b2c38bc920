"""HUP brings new code and new settings without losing a request; broken code leaves the old service running."""
import signal
import threading

import pytest

import requests

from masters import order
from waiting import wait_for

APP = """
def application(environ, start_response):
    body = b"%s"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def site(tmp_path):
    """A folder with one application; write(text) replaces what it answers, or its whole source."""

    class Site:
        folder = tmp_path

        def answer(self, text):
            self.source(APP % text)

        def source(self, text):
            # Written beside and renamed: a reload never reads half a file, and the new inode defeats stale bytecode.
            new = tmp_path / "mine.py.new"
            new.write_text(text)
            new.rename(tmp_path / "mine.py")

    made = Site()
    made.answer("first")
    return made


# An idle connection outlives any pause of a client between its look at the connection and its request.
PATIENT = ("--keep-alive", "60")


class Load:
    """Requests without pause from a few threads, until stopped; remembers every answer and every failure."""

    def __init__(self, server, threads=3, keep=False):
        self.answers, self.failures = {}, []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(server.url, keep)) for _ in range(threads)]

    def run(self, url, keep):
        session = requests.Session()
        while not self.done.is_set():
            try:
                answer = session.get(url, timeout=20, headers={} if keep else {"Connection": "close"})
                self.answers[answer.text] = self.answers.get(answer.text, 0) + 1
                if answer.status_code != 200:
                    self.failures.append(answer.status_code)
            except requests.RequestException as failure:
                self.failures.append(repr(failure))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.done.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.matrix
def test_hup_brings_new_code(start, site):
    server = start("mine", "-w", "2", cwd=site.folder)
    old = server.wait_workers(2)
    assert server.get().text == "first"
    site.answer("second")
    server.send_signal(signal.SIGHUP)
    server.wait_log("Handling signal: hup")
    server.wait_workers(2, without=old)
    assert {server.get().text for _ in range(10)} == {"second"}


@pytest.mark.gosrv_only("Gunicorn loses requests at a reload of the sync worker")
@pytest.mark.parametrize("keep", [False, True], ids=["close", "keep-alive"])
def test_hup_loses_no_request(start, site, keep):
    server = start("mine", "-w", "2", *PATIENT, cwd=site.folder)
    with Load(server, keep=keep) as load:
        for text in ("second", "third", "fourth"):
            old = server.wait_workers(2)
            site.answer(text)
            server.send_signal(signal.SIGHUP)
            server.wait_workers(2, without=old, timeout=30)
            wait_for(lambda: text in load.answers, "an answer %r" % text)
    assert load.failures == []
    assert sum(load.answers.values()) > 50


@pytest.mark.gosrv_only("HUP with broken code ends all of Gunicorn")
@pytest.mark.parametrize(
    "source, said",
    [
        ("def application(\n", "SyntaxError"),
        ("import not_there_at_all\n", "ModuleNotFoundError"),
        ("nothing = 1\n", "Failed to find attribute 'application' in 'mine'."),
        ("import os; os._exit(9)\n", ""),
    ],
    ids=["syntax", "import", "attribute", "dies"],
)
def test_hup_with_broken_code_keeps_the_old_service(start, site, source, said):
    server = start("mine", "-w", "2", "--pid", site.folder / "pid", cwd=site.folder)
    wait_for(lambda: "2 of 2 ready" in order("status", "--pid", site.folder / "pid").stdout, "both workers: one that still imports would import this")
    old = server.wait_workers(2)
    site.source(source)
    before = len(server.log)
    server.send_signal(signal.SIGHUP)
    server.wait_log("Handling signal: hup")
    wait_for(lambda: "[ERROR]" in server.log[before:] and said in server.log[before:], lambda: "%r in %s" % (said, server.log[before:]))
    for _ in range(10):
        assert server.get().text == "first"
    assert server.wait_workers(2) == old
    site.answer("mended")
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=old, timeout=30)
    assert server.get().text == "mended"


@pytest.mark.gosrv_only("HUP with a broken config file ends all of Gunicorn")
def test_hup_with_a_broken_config_file_keeps_the_old_service(start, site):
    conf = site.folder / "conf.py"
    conf.write_text("workers = 2\n")
    server = start("mine", "-c", conf, cwd=site.folder)
    old = server.wait_workers(2)
    conf.write_text("workers = 1 / 0\n")
    server.send_signal(signal.SIGHUP)
    server.wait_log("ZeroDivisionError")
    assert server.get().text == "first"
    assert server.wait_workers(2) == old


def test_hup_reads_the_config_file_again(start, site):
    conf = site.folder / "conf.py"
    conf.write_text("workers = 1\n")
    server = start("mine", "-c", conf, cwd=site.folder)
    server.wait_workers(1)
    conf.write_text("workers = 3\n")
    server.send_signal(signal.SIGHUP)
    server.wait_workers(3)
    assert server.get().text == "first"


def test_several_hups_in_a_row(start, site):
    server = start("mine", "-w", "2", cwd=site.folder)
    old = server.wait_workers(2)
    site.answer("last")
    for _ in range(5):
        server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=old, timeout=40)
    assert server.get().text == "last"


def test_preload_imports_once(start):
    server = start("pids", "-w", "2", "--preload")
    server.wait_workers(2)
    facts = [server.get().json() for _ in range(10)]
    assert len({fact["imported_in"] for fact in facts}) == 1
    assert all(fact["imported_in"] != fact["pid"] for fact in facts)


@pytest.mark.gosrv_only("Gunicorn does not reload a preloaded application")
def test_hup_with_preload_brings_new_code(start, site):
    server = start("mine", "-w", "2", "--preload", cwd=site.folder)
    old = server.wait_workers(2)
    assert server.get().text == "first"
    site.answer("second")
    server.send_signal(signal.SIGHUP)
    server.wait_workers(2, without=old, timeout=30)
    assert server.get().text == "second"


def test_usr1_reopens_the_log(start, tmp_path):
    log = tmp_path / "error.log"
    server = start("raising", "--error-logfile", log, log=log, balance=False)
    log.rename(tmp_path / "old.log")
    server.send_signal(signal.SIGUSR1)
    wait_for(log.exists, "a new log file")
    # The master makes the file and passes it on: a worker writes to the old one until it has it.
    wait_for(lambda: server.get("/before") is not None and "RAISED-before" in server.log, "a worker's line in the new file")


@pytest.mark.gosrv_only("Gunicorn starts all new workers at once")
@pytest.mark.parametrize("args", [(), ("--preload",), ("--reuse-port",)], ids=["plain", "preload", "reuse-port"])
def test_hup_one_by_one(start, site, args):
    """Never more than one worker too many, and nothing lost; code that does not load changes nothing."""
    server = start("mine", "-w", "3", "--reload-one-by-one", *PATIENT, *args, cwd=site.folder)
    old = server.wait_workers(3)
    most = []

    def replaced():
        now = server.worker_pids()
        most.append(len(now))
        return "Generation 2 serves" in server.log and len(now) == 3 and not set(now) & set(old)

    with Load(server, keep=True) as load:
        wait_for(lambda: "first" in load.answers, "an answer")
        site.answer("second")
        server.send_signal(signal.SIGHUP)
        wait_for(replaced, lambda: "three new workers, not %s" % server.workers(), 40)
        wait_for(lambda: "second" in load.answers, "an answer of the new code")
        kept = server.worker_pids()
        site.source("def application(\n")
        server.send_signal(signal.SIGHUP)
        server.wait_log("Reload failed")
        server.wait_workers(3)
        assert server.worker_pids() == kept
    assert load.failures == []
    assert max(most) <= 4
