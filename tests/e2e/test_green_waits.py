"""Requests that wait do not delay one another, whatever they wait for: with gevent and eventlet, a worker has them all at once."""
import contextlib

import pytest

import crowd
import harness
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.green

PSYCOGREEN = """
def post_fork(server, worker):
    from psycogreen.%s import patch_psycopg
    patch_psycopg()
"""
WAYS = ["sleep", "event", "condition", "lock", "queue", "socket", "select", "thread", "executor", "child", "requests", "urllib3", "urllib"]


@pytest.fixture(scope="module")
def meeting(start_shared, postgres, redis, tmp_path_factory):
    conf = tmp_path_factory.mktemp("green") / "conf.py"
    conf.write_text(PSYCOGREEN % harness.worker_class())
    return start_shared("meeting", "-c", conf, "--worker-connections", "12000", "--timeout", "120", "--backlog", "2048",
                        env={"DSN": postgres.dsn, "REDIS": redis.socket})


@contextlib.contextmanager
def waiting(server, way, count, room, size=None):
    """So many clients of a room that wait in it; it opens when `size` have come, one more than these if it is not said."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Wire(server.address, 120)) for _ in range(count)]
        path = "/%s?room=%s&n=%d" % (way, room, size or count + 1)
        for client in clients:
            client.send("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (path, server.port))
        wait_for(lambda: server.get("/come?room=" + room).text == str(count), "%d that wait" % count, 60)
        yield clients, path


def meets(server, way, count, room):
    """All but the last wait; then other requests are served; then the last comes, and all are answered."""
    with waiting(server, way, count, room) as (clients, path):
        assert server.get("/").text == "hello"
        assert server.get(path).text == "met"
        assert [client.answer().body for client in clients] == [b"met"] * count


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS)
def test_requests_that_wait_for_one_another(meeting, way):
    meets(meeting, way, 10, way)


@pytest.mark.matrix
@pytest.mark.parametrize("way", [pytest.param("psycopg3", marks=pytest.mark.gevent_only("psycopg 3 does not wait by eventlet's hub")), "psycopg2", "redis"])
def test_requests_that_wait_for_a_database(meeting, way):
    meets(meeting, way, 20, way)


@pytest.mark.parametrize("way", ["sleep", "event", "lock", "queue", "socket"])
def test_a_thousand_clients_that_wait(meeting, way):
    assert crowd.raise_descriptor_limit(4000)
    meets(meeting, way, 1000, "thousand" + way)


def test_a_waiting_request_costs_no_other_its_connection(meeting):
    """A pipeline behind one that waits is served in its order, and connections beside it at once."""
    with waiting(meeting, "event", 1, "pipeline") as ((client,), path):
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 3)
        for _ in range(3):
            assert meeting.get("/").text == "hello"
        assert meeting.get(path).text == "met"
        assert [client.answer().body for _ in range(4)] == [b"met"] + [b"hello"] * 3


@pytest.mark.gosrv_only("Gunicorn counts connections, a thousand idle ones among them")
def test_worker_connections_limits_requests_inside_the_application(start):
    """Ten wait in it, ten behind them; thirty idle connections count for nothing, and all are answered once there is room."""
    server = start("meeting", "--worker-connections", "10", "--keep-alive", "75", "--timeout", "120")
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            assert stack.enter_context(Wire(server.address, 60)).get("/").body == b"hello"
        clients = [stack.enter_context(Wire(server.address, 60)) for _ in range(20)]
        for client in clients:
            client.send("GET /event?room=few&n=10 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [client.answer().body for client in clients] == [b"met"] * 20


@pytest.mark.parametrize("workers", ["2", "6"])
def test_workers_share_what_comes(start, workers):
    """Many more connections than workers, each for one request, while others stay open."""
    server = start("meeting", "-w", workers, "--timeout", "120", "--keep-alive", "75")
    server.wait_workers(int(workers))
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(Wire(server.address, 60)) for _ in range(50)]
        for _ in range(4):
            for wire in kept:
                wire.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            for _ in range(50):
                with Wire(server.address, 60) as wire:
                    assert wire.get("/", "Connection: close").body == b"hello"
            assert [wire.answer().body for wire in kept] == [b"hello"] * 50


@pytest.mark.soak
def test_ten_thousand_clients_that_wait(meeting):
    assert crowd.raise_descriptor_limit(21000)
    meets(meeting, "event", 10000, "tenthousand")
