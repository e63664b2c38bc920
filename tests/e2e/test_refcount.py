"""References under a debug CPython: their total settles for every kind of request; a leak never does."""
import pytest

pytestmark = [pytest.mark.debugpy, pytest.mark.gosrv_only("counts what gosrv's own C code takes")]

BLOCK, BLOCKS = 1000, 8
SLACK = 100  # caches of the interpreter fill for a while, slower and slower; a leak of one reference a request is 1,000 a block


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
    grown, before = [], total(server)
    for _ in range(BLOCKS):
        run(BLOCK)
        now = total(server)
        grown.append(now - before)
        before = now
        if abs(grown[-1]) < SLACK:
            return
    raise AssertionError("references grow for ever: %s in blocks of %d requests" % (grown, BLOCK))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_references_stay_flat(server, kind):
    flat(server, lambda times: repeat(server, KINDS[kind], times))


def test_references_stay_flat_when_clients_leave(server):
    def leave(times):
        for _ in range(times):
            with server.wire() as wire:
                wire.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
                wire.more()

    flat(server, leave)
