"""References under a debug CPython: after a warm-up their total stays flat over a thousand requests of each kind."""
import pytest

pytestmark = [pytest.mark.debugpy, pytest.mark.gosrv_only("counts what gosrv's own C code takes")]

WARM_UP, ROUNDS = 200, 1000
SLACK = 60  # caches of the interpreter that still fill; a leak of one reference a request shows as 1,000


def get(wire):
    assert wire.get("/").status == 200


def post(wire):
    assert wire.get("/", method="POST", body=b"x" * 100).body == b"100"


def chunked(wire):
    wire.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert wire.answer().body == b"5"


def raising(wire):
    assert wire.get("/raise").status == 500


def streaming(wire):
    assert len(wire.get("/stream").body) == 40


KINDS = {"get": get, "post": post, "chunked": chunked, "raise": raising, "stream": streaming}


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("refcounts")


def total(server):
    with server.wire() as wire:
        return int(wire.get("/total", "Connection: close").body)


def repeat(server, work, times):
    """One connection as long as it lasts; a 500 may close it."""
    wire = server.wire()
    for _ in range(times):
        try:
            work(wire)
        except Exception:
            wire.sock.close()
            wire = server.wire()
            work(wire)
    wire.sock.close()


def flat(server, run):
    run(WARM_UP)
    total(server)
    before = total(server)
    run(ROUNDS)
    grown = total(server) - before
    assert abs(grown) < SLACK, "%+d references after %d requests" % (grown, ROUNDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_references_stay_flat(server, kind):
    flat(server, lambda times: repeat(server, KINDS[kind], times))


def test_references_stay_flat_when_clients_leave(server):
    def leave(times):
        for _ in range(times // 4):
            with server.wire() as wire:
                wire.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
                wire.more()

    flat(server, leave)
