"""What is measured of requests in greenlets."""
import threading

import pytest

from test_metrics import answers, ask, at, numbers, settled
from waiting import wait_for

pytestmark = pytest.mark.green

APP = """
import time

def app(environ, start_response):
    path, _, seconds = environ["PATH_INFO"][1:].partition("/")
    environ["gosrv.route"] = "/" + path
    ends = time.monotonic() + float(seconds or 0)
    if path == "waits":
        time.sleep(float(seconds))
    while path == "computes" and time.monotonic() < ends:
        pass
    start_response("200 OK", [])
    return [b"ok"]
"""
COUNT = 'gosrv_http_requests_total{class="2xx",method="GET"}'
QUEUE = 'gosrv_http_request_phase_seconds_sum{phase="queue"}'


@pytest.fixture
def measured(start, tmp_path):
    (tmp_path / "routed.py").write_text(APP)
    server = start("routed:app", "--metrics-bind", "127.0.0.1:0", "--worker-connections", "500", cwd=tmp_path)
    answers(at(server), "/livez", 200)
    return server, settled(at(server), COUNT, {}, 1)  # the test's own look at the start


def together(server, *paths):
    """All at once, by a client each."""
    clients = [threading.Thread(target=server.get, args=(path,)) for path in paths]
    for client in clients:
        client.start()
    return clients


def test_greenlets_that_wait_are_counted_and_hold_up_nobody(measured):
    server, before = measured
    clients = together(server, *["/waits/1.5"] * 10)
    wait_for(lambda: ask(at(server), "/status.json").json()["capacity"]["threads_busy"] == 10, "ten requests in the application")
    worker = ask(at(server), "/status.json").json()["workers"][0]
    assert worker["running"] == 10 and worker["request"]["seconds"] > 0
    for client in clients:
        client.join()
    now = settled(at(server), COUNT, before, 10)
    assert now[QUEUE] - before[QUEUE] < 1, "ten of them, none of which waited for another"
    assert 15 <= now['gosrv_route_application_seconds_sum{route="/waits"}'] < 20
    assert numbers(at(server))["gosrv_threads_busy"] == 0


def test_what_a_greenlet_holds_up_has_waited_in_the_queue(measured):
    """A greenlet that computes: what comes meanwhile, and what has come with it, waits for its turn and not in the application."""
    server, before = measured
    slow = together(server, "/computes/0.6")
    wait_for(lambda: ask(at(server), "/status.json").json()["workers"][0]["running"], "the one that computes")
    for client in together(server, *["/fast"] * 5) + slow:
        client.join()
    now = settled(at(server), COUNT, before, 6)
    assert now[QUEUE] - before[QUEUE] > 0.5, "five have waited for most of it"
    assert now['gosrv_route_application_seconds_sum{route="/fast"}'] < 0.3
    assert 0.6 <= now['gosrv_route_application_seconds_sum{route="/computes"}'] < 1.2


def test_capacity_is_places_and_computing(measured):
    server, _ = measured

    def capacity():
        return ask(at(server), "/status.json").json()["capacity"]

    assert capacity()["threads"] == 500
    clients = together(server, *["/waits/5"] * 50)
    wait_for(lambda: (capacity()["used"] or 0) >= 0.1, lambda: "50 of 500 places in use: %s" % capacity())
    for client in clients:
        client.join()
    clients = together(server, *["/computes/1"] * 6)
    wait_for(lambda: capacity()["threads_busy"] <= 6 and capacity()["used"] > 0.03, lambda: "an event loop that computes: %s" % capacity(), 30)
    for client in clients:
        client.join()


def test_routes_are_told_apart(measured):
    server, before = measured
    for path in ("/one", "/two", "/two"):
        server.get(path)
    now = settled(at(server), COUNT, before, 3)
    assert now['gosrv_route_application_seconds_count{route="/one"}'] == 1 and now['gosrv_route_application_seconds_count{route="/two"}'] == 2
