"""What operators do, done again and again: nothing is lost, nothing is left, nothing grows. The soak does the same for longer."""
import time

import pytest

import repeated
import share

pytestmark = pytest.mark.gosrv_only("Gunicorn ends over code that does not import, and resets what waits in its queue")
CLASSES = {"sync": (), "threads": ("--threads", "4"), "preload": ("--preload",)}


def nothing_lost(clients):
    assert clients.bad == 0, "%s\n%s" % (clients, clients.evidence)


@pytest.mark.parametrize("worker_class", ["sync", "preload"])
def test_a_reload_every_second_with_code_that_sometimes_does_not_import(start, tmp_path, worker_class):
    clients, hups = repeated.reloads_under_load(start, tmp_path, 4, CLASSES[worker_class])
    nothing_lost(clients)
    assert hups >= 1 and clients.counts["ok"] > 50


def test_open_connections_outlive_a_reload_and_an_upgrade(start, tmp_path):
    repeated.many_open(start, 300, tmp_path)


@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("--preload",)], ids=["sync", "threads", "preload"])
def test_starts_and_stops_with_threads_of_all_kinds(start, args):
    repeated.start_and_stop(start, 7, *args)


def test_reloads_leave_nothing_in_the_master(start):
    server = start("hello", "-w", "2", "--log-level", "info", log_level=None)
    server.wait_workers(2)
    repeated.reloads(server, 3)
    before = repeated.at_rest(server.pid)
    repeated.reloads(server, 10)
    after = repeated.at_rest(server.pid, before["descriptors"])
    assert after["threads"] <= before["threads"] + 5, "a thread for each reload would be ten"


@pytest.mark.matrix
@pytest.mark.not_green("its thread would be a greenlet that never gives way")
def test_workers_are_forked_beside_threads_of_a_preloaded_application(start):
    """The process in between once went on in Python, where it waited for threads that it did not have."""
    server = start("busy_threads", "-w", "16", "--preload", balance=False)
    server.wait_workers(16, timeout=60)
    assert server.get().status_code == 200


# -- for minutes ----------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("worker_class", list(CLASSES))
def test_a_reload_every_second_for_a_minute(start, tmp_path, worker_class):
    clients, hups = repeated.reloads_under_load(start, tmp_path, share.of(60), CLASSES[worker_class])
    print("\n%d reloads, %s" % (hups, clients))
    nothing_lost(clients)


@pytest.mark.soak
def test_ten_thousand_open_connections(start, tmp_path):
    count = share.of(10_000)
    repeated.room_for(count + 200)
    for event, (seconds, closed) in repeated.many_open(start, count, tmp_path).items():
        print("\n%s: %.2f s, %d connections closed by an answer or in the end" % (event, seconds, closed))


@pytest.mark.soak
@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("--preload",)], ids=["sync", "threads", "preload"])
def test_a_thousand_starts_and_stops(start, args):
    print("\nthe longest stop: %.2f s" % repeated.start_and_stop(start, share.of(334), *args))


@pytest.mark.soak
@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["plain", "preload"])
def test_a_hundred_reloads(start, args):
    server = start("hello", "-w", "2", "--log-level", "info", *args, log_level=None)
    server.wait_workers(2)
    repeated.reloads(server, share.of(20, 5))
    before = repeated.at_rest(server.pid)
    begun = time.monotonic()
    count = share.of(100)
    repeated.reloads(server, count)
    took = time.monotonic() - begun
    after = repeated.at_rest(server.pid, before["descriptors"])
    print("\n%s -> %s, %.0f ms a reload" % (before, after, took * 1000 / count))
    assert after["threads"] <= before["threads"] + 5
    assert after["resident"] - before["resident"] < 4 << 20
