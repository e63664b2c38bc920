"""--threads N: N requests in the application at once, each slot a thread with an identity that lasts."""
import signal

import pytest

import harness
from test_stop import in_background
from waiting import wait_for

pytestmark = pytest.mark.not_green("threads are what it is about")


@pytest.fixture(scope="module")
def four(start_shared):
    return start_shared("thread_local", "--threads", "4")


@pytest.mark.matrix
def test_requests_run_at_the_same_time(start, tmp_path):
    gate = tmp_path / "gate"
    server = start("sleeping", "--threads", "4", env={"GATE": gate})
    asked = [in_background(lambda: server.get("/gate?n")) for _ in range(4)]
    server.wait_log("BEGIN", count=4)
    gate.touch()
    assert [one().status_code for one in asked] == [200] * 4
    assert len({line.split()[-1] for line in server.log.splitlines() if line.startswith("BEGIN")}) == 4


def test_a_slow_request_does_not_hold_the_others(start, tmp_path):
    gate = tmp_path / "gate"
    server = start("sleeping", "--threads", "2", env={"GATE": gate})
    slow = in_background(lambda: server.get("/gate?n"))
    server.wait_log("BEGIN")
    for _ in range(20):
        assert server.get().status_code == 200
    gate.touch()
    assert slow().status_code == 200


@pytest.mark.matrix
def test_threads_are_few_and_lasting(four):
    waits = [in_background(lambda: [four.get("/slow").json() for _ in range(10)]) for _ in range(8)]
    facts = [fact for wait in waits for fact in wait()]
    idents = {fact["ident"] for fact in facts}
    assert 2 <= len(idents) <= 4
    for ident in idents:
        counts = [fact["count"] for fact in facts if fact["ident"] == ident]
        assert len(set(counts)) == len(counts), "a thread.local counter never falls back"


@pytest.mark.matrix
def test_threads_are_real_ones_to_python(four):
    facts = [four.get().json() for _ in range(8)]
    assert {fact["class"] for fact in facts} == {"Thread"}
    assert all(fact["listed"] for fact in facts)
    assert not any(fact["name"].startswith("Dummy") for fact in facts)


def test_names_of_threads_are_those_of_a_pool(four):
    assert all(four.get().json()["name"].startswith("ThreadPoolExecutor-0_") for _ in range(4))


def test_settrace_of_the_config_file_is_in_force(start, tmp_path):
    """Coverage and debuggers set threading.settrace before the threads start."""
    (tmp_path / "conf.py").write_text(
        "import os, threading\n\ndef trace(frame, event, arg):\n    if frame.f_code.co_name == 'application':\n        os.write(2, b'TRACED\\n')\n\n\n"
        "def post_worker_init(worker):\n    threading.settrace(trace)\n"
    )
    server = start("hello", "--threads", "2", "-c", tmp_path / "conf.py")
    server.get()
    server.wait_log("TRACED")


@pytest.mark.matrix
def test_connections_are_kept_alive_with_threads(start):
    server = start("hello", "--threads", "2", *harness.KEPT)
    with server.wire() as wire:
        for _ in range(20):
            assert wire.get("/").body == b"hello app"


def test_more_clients_than_threads(four):
    waits = [in_background(lambda: [four.get("/slow").status_code for _ in range(3)]) for _ in range(30)]
    assert all(wait(60) == [200] * 3 for wait in waits)


@pytest.mark.gosrv_only("`threads` silent clients stop Gunicorn's gthread worker")
def test_silent_clients_take_no_thread(start):
    server = start("hello", "--threads", "2")
    silent = [server.wire() for _ in range(20)]
    for wire in silent:
        wire.send("G")
    assert server.get().text == "hello app"
    for wire in silent:
        wire.sock.close()


def test_a_threaded_server_stops_with_connections_open(start):
    server = start("hello", "-w", "2", "--threads", "3", "--graceful-timeout", "10")
    wires = [server.wire() for _ in range(5)]
    for wire in wires:
        wire.get("/")
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert all(wire.closed() for wire in wires)


def test_an_exception_in_a_thread_is_a_500(start):
    server = start("raising", "--threads", "2")
    assert server.get("/before").status_code == 500
    server.wait_log("RAISED-before")
    assert server.get().text == "nothing raised"


def test_a_killed_threaded_worker_is_replaced(start):
    server = start("hello", "--threads", "2", balance=False)
    old = server.wait_workers(1)
    server.send_signal(signal.SIGKILL, old[0])
    server.wait_workers(1, without=old)
    assert wait_for(lambda: server.get().text, "an answer") == "hello app"
