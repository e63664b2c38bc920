"""Thread slots: N at once, lasting identities, and all that Python promises of a threading.Thread."""
import re

import pytest

import harness
from test_stop import in_background
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.not_green("threads are what it is about")

SIZES = [2, 4, 8]


@pytest.fixture(scope="module")
def four(start_shared):
    return start_shared("slots", "--threads", "4", *harness.KEPT)


def many(server, path, count, each=1):
    """`count` clients at once; the JSON answers of all of them."""
    waits = [in_background(lambda: [server.get(path).json() for _ in range(each)]) for _ in range(count)]
    return [answer for wait in waits for answer in wait(60)]


@pytest.mark.matrix
@pytest.mark.parametrize("size", SIZES)
def test_as_many_requests_at_once_as_threads(start, tmp_path, size):
    gate = tmp_path / "gate"
    server = start("slots", "--threads", size, env={"GATE": gate})
    waits = [in_background(lambda: server.get("/gate")) for _ in range(size)]
    server.wait_log("BEGIN", count=size)
    gate.touch()
    assert [wait().status_code for wait in waits] == [200] * size


def test_no_more_requests_at_once_than_threads(start, tmp_path):
    """The request too many waits, and is answered."""
    gate = tmp_path / "gate"
    server = start("slots", "--threads", "2", env={"GATE": gate})
    waits = [in_background(lambda: server.get("/gate")) for _ in range(2)]
    server.wait_log("BEGIN", count=2)
    third = in_background(lambda: server.get("/gate"))
    wait_for(lambda: len(re.findall("BEGIN", server.log)) == 2, "no third one")
    gate.touch()
    assert [wait().status_code for wait in [*waits, third]] == [200] * 3


@pytest.mark.gosrv_only("a silent connection takes a thread of Gunicorn's for five seconds")
@pytest.mark.parametrize("busy", [1, 3])
def test_a_free_thread_is_enough(start, tmp_path, busy):
    """Slow requests delay nobody while a thread is free: on new connections, kept ones, and ones opened before."""
    gate = tmp_path / "gate"
    server = start("slots", "--threads", "4", *harness.KEPT, env={"GATE": gate})
    with Wire(server.address) as early, Wire(server.address) as kept:
        assert kept.get("/who").status == 200
        waits = [in_background(lambda: server.get("/gate")) for _ in range(busy)]
        server.wait_log("BEGIN", count=busy)
        for _ in range(50):
            assert server.get("/who").status_code == 200
            assert early.get("/who").status == 200
            assert kept.get("/who").status == 200
        gate.touch()
    assert all(wait().status_code == 200 for wait in waits)


@pytest.mark.matrix
def test_identities_last(four):
    facts = many(four, "/who", 12, 20)
    slots = {fact["ident"]: fact["native"] for fact in facts}
    assert 1 <= len(slots) <= 4
    for ident, native in slots.items():
        mine = [fact for fact in facts if fact["ident"] == ident]
        assert {fact["native"] for fact in mine} == {native}
        assert len({fact["count"] for fact in mine}) == len(mine), "a thread.local value is seen once"
        assert len({fact["name"] for fact in mine}) == 1


def test_they_are_threads_of_pythons(four):
    for fact in many(four, "/who", 8):
        assert fact["class"] == "Thread" and fact["listed"] and not fact["main"]
        assert re.fullmatch(r"ThreadPoolExecutor-0_\d+", fact["name"])


@pytest.mark.gosrv_only("those of Gunicorn's executor are not daemons")
def test_they_are_daemons(four):
    assert all(fact["daemon"] for fact in many(four, "/who", 8))


@pytest.mark.matrix
def test_a_trace_function_set_in_post_worker_init_is_in_force(start, tmp_path):
    (tmp_path / "conf.py").write_text(
        "import threading\n\n\ndef post_worker_init(worker):\n    import slots\n    threading.settrace(slots.trace)\n"
    )
    server = start("slots", "--threads", "3", "-c", tmp_path / "conf.py")
    assert all(fact["traced"] for fact in many(server, "/who", 9))


def test_a_profile_function_as_well(start, tmp_path):
    (tmp_path / "conf.py").write_text(
        "import os, threading\n\n\ndef profile(frame, event, arg):\n    if event == 'call' and frame.f_code.co_name == 'application':\n"
        "        os.write(2, b'PROFILED\\n')\n\n\ndef post_worker_init(worker):\n    threading.setprofile(profile)\n"
    )
    server = start("slots", "--threads", "2", "-c", tmp_path / "conf.py")
    server.get("/who")
    server.wait_log("PROFILED")


@pytest.mark.matrix
def test_a_ctypes_callback(four):
    assert all(answer == {"sorted": [1, 2, 3, 4, 5], "same": True} for answer in many(four, "/callback", 8))


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["python", "json", "repr", "re"])
def test_recursion_to_the_limit(four, kind):
    pids = four.worker_pids()
    assert set(many(four, "/deep?" + kind, 4)) == {"RecursionError"}
    assert four.worker_pids() == pids


def test_a_deep_expression_is_an_error(four):
    pids = four.worker_pids()
    assert four.get("/deep?eval").json() in ("MemoryError", "SyntaxError", "RecursionError")
    assert four.worker_pids() == pids


def test_pipelined_requests_stay_in_order_over_threads(four):
    """One connection's requests are answered in order though there are threads enough for all of them."""
    with four.wire() as wire:
        wire.send(b"".join(b"GET /sleep?s=%s&n=%d HTTP/1.1\r\nHost: t\r\n\r\n" % (b"0.05" if n == 0 else b"0", n) for n in range(10)))
        wire.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [wire.answer().body for _ in range(10)] == [b"null"] * 10
        assert wire.answer().body == b"%d" % four.worker_pids()[0]
