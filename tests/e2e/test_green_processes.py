"""Children and signals of an application under gevent and eventlet: no child enters the server, none is lost, no handler hits Go's stacks."""
import contextlib
import signal
import threading

import pytest

import harness
import procs
from waiting import wait_for
from wire import Wire

pytestmark = [pytest.mark.green, pytest.mark.matrix]


@pytest.fixture
def server(start):
    return start("green_processes", "--worker-connections", "2000", "--timeout", "120")


@contextlib.contextmanager
def held(server, count=20):
    """So many requests wait in the worker, whose greenlets a child has copies of; all are answered once, and rightly."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.address, 60)) for _ in range(count)]
        for wire in wires:
            wire.send("GET /hold HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for(lambda: server.get("/waiting").text == str(count), "the requests that wait")
        yield
        assert server.get("/release").text == "released"
        assert [wire.answer().body for wire in wires] == [b"held"] * count
        for wire in wires:
            wire.finish_sending()
        assert [wire.rest() for wire in wires] == [b""] * count


@pytest.mark.parametrize("path, said", [
    ("/fork-exit", "exit code 7"), ("/children", "reaped"), ("/slow", "child\n"), ("/system", "0"),
    pytest.param("/multiprocessing", "[0, 1, 4] [0, 0, 0]", marks=pytest.mark.gevent_only("with eventlet's threads a queue of processes blocks the hub")),
    pytest.param("/fork-spawn", "exit code 7", marks=pytest.mark.gosrv_only("Gunicorn's main greenlet ends the child within a second")),
    pytest.param("/fork-return", "exit code 0", marks=pytest.mark.gosrv_only("Gunicorn's child goes on serving")),
    pytest.param("/fork-raise", "exit code 1", marks=pytest.mark.gosrv_only("Gunicorn's child goes on serving")),
])
def test_children_while_others_wait(server, path, said):
    pid = server.worker_pids()
    with held(server):
        for _ in range(3):
            assert server.get(path).text == said
        assert server.get("/").text == "hello"
    assert server.worker_pids() == pid
    wait_for(lambda: len(procs.children(pid[0])) == 0, lambda: "no child left, but %s" % procs.children(pid[0]))


HUBS = {"gevent": ("GEVENT_LOOP", ["libev-cffi", "libuv-cffi"]), "eventlet": ("EVENTLET_HUB", ["poll", "selects", "asyncio"])}
VARIABLE, NAMES = HUBS[harness.worker_class() or "gevent"]


@pytest.mark.gosrv_only("Gunicorn's main greenlet runs on in the child, and ends it within a second")
@pytest.mark.parametrize("hub", NAMES)
def test_children_of_every_kind_of_hub(start, hub):
    """A loop that shares its descriptors with the parent's must not make that deaf."""
    server = start("green_processes", "--worker-connections", "2000", "--timeout", "120", env={VARIABLE: hub})
    with held(server):
        for path, said in (("/fork-exit", "exit code 7"), ("/fork-spawn", "exit code 7"), ("/children", "reaped")):
            assert server.get(path).text == said
            assert server.get("/").text == "hello"


def test_many_children_at_once(server):
    """Ten requests with twelve children each."""
    with held(server):
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(server.get("/children").text)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == ["reaped"] * 10


def test_slow_children_run_side_by_side(server):
    """A child that is waited for holds up no other request: all twenty are there before the first has ended."""
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(server.get("/slow").text)) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert server.get("/").text == "hello"
    for thread in threads:
        thread.join()
    assert seen == ["child\n"] * 20


@pytest.mark.gosrv_only("Gunicorn has no stacks of Go's")
def test_handlers_run_on_the_signal_stack(server):
    """A handler without SA_ONSTACK would run on a goroutine's stack."""
    assert server.get("/altstack").json() == []
    assert server.get("/children").text == "reaped"
    assert server.get("/altstack").json() == []


@pytest.mark.gosrv_only("Gunicorn has no stacks of Go's")
@pytest.mark.gevent_only("eventlet has no handlers of its own")
def test_a_handler_of_gevents(server):
    with held(server):
        for _ in range(5):
            assert server.get("/watched").text == "seen"


def test_a_handler_of_pythons(server):
    with held(server):
        for _ in range(5):
            assert server.get("/timer").text == "rung"


def test_a_storm_of_signals_loses_nothing(server):
    """SIGCHLD by the thousand, as fast as they can be sent, while requests are served and children reaped."""
    pid = int(server.get("/pid").text)
    over = threading.Event()

    def storm():
        while not over.is_set():
            procs.kill(pid, signal.SIGCHLD)

    stormy = threading.Thread(target=storm)
    stormy.start()
    try:
        with held(server):
            assert server.get("/children").text == "reaped"
            for _ in range(100):
                assert server.get("/").text == "hello"
    finally:
        over.set()
        stormy.join()
    assert server.worker_pids() == [pid]
