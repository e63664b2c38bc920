"""With gevent and eventlet, a stream, a slow reader, a slow upload or a long poll holds up nobody, and each ends once."""
import contextlib
import hashlib
import os

import pytest

import harness
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.green
MIB = 1 << 20


@pytest.fixture(scope="module", params=[(), pytest.param(("--stream-request-body",), marks=pytest.mark.gosrv_only("Gunicorn always does"))],
                ids=["whole-bodies", "streamed-bodies"])
def server(start_shared, request):
    return start_shared("green_answers", "--worker-connections", "2000", "--timeout", "120", "--keep-alive", "60", *request.param, *harness.patient())


def state(server):
    return server.get("/state").json()


def asked(server, path, **kw):
    wire = Wire(server.address, 60, **kw)
    wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
    return wire


def chunk(wire):
    size = int(wire.until(b"\r\n"), 16)
    data = wire.exactly(size)
    wire.until(b"\r\n")
    return data


def test_each_piece_leaves_when_it_is_given(server):
    before = state(server)["closed"].count("each")
    with asked(server, "/gated?gate=each&count=5") as wire:
        wire.head()
        assert chunk(wire) == b"piece 0\n"
        for n in range(1, 5):
            assert server.get("/").text == "hello"
            server.get("/open?gate=each-%d" % n)
            assert chunk(wire) == b"piece %d\n" % n
        assert chunk(wire) == b""
    assert state(server)["closed"].count("each") == before + 1


def test_many_streams_at_once(server):
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(asked(server, "/gated?gate=many&count=2")) for _ in range(100)]
        for wire in wires:
            wire.head()
            assert chunk(wire) == b"piece 0\n"
        server.get("/open?gate=many-1")
        assert [(chunk(wire), chunk(wire)) for wire in wires] == [(b"piece 1\n", b"")] * 100


@pytest.mark.parametrize("pause", ["0", "0.02"])
def test_a_client_that_goes_in_the_middle_of_a_stream(server, pause):
    before = len(state(server)["closed"])
    with asked(server, "/endless?size=1000&pause=" + pause) as wire:
        wire.head()
        wire.exactly(5000)
    closed = wait_for(lambda: state(server)["closed"][before:], "close() of the stream")
    assert len(closed) == 1
    assert server.get("/").text == "hello"
    assert len(state(server)["closed"]) == before + 1


def test_a_client_that_does_not_read_holds_up_its_own_answer_only(server):
    """Neither memory nor another request pays for it, and the stream goes on when it reads again."""
    before = len(state(server)["closed"])
    with asked(server, "/endless?size=%d&pause=0" % MIB, room=1 << 18) as wire:
        wire.head()
        for _ in range(20):
            assert server.get("/").text == "hello"
        assert len(state(server)["closed"]) == before
        wire.exactly(20 * MIB)
    given = wait_for(lambda: state(server)["closed"][before:], "close() of the stream")
    assert len(given) == 1 and 20 <= given[0] <= 60, given


def test_write_to_a_client_that_does_not_read(server):
    size = 10 * MIB
    before = state(server)["closed"].count("written")
    with asked(server, "/write?size=%d" % size, room=1 << 18) as wire:
        for _ in range(20):
            assert server.get("/").text == "hello"
        assert state(server)["closed"].count("written") == before
        assert wire.answer().body == b"a" * size + b"b" * size + b"c" * size + b"end"
    assert state(server)["closed"].count("written") == before + 1


def test_server_sent_events(server):
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(asked(server, "/events")) for _ in range(50)]
        for wire in wires:
            assert ("Content-Type", "text/event-stream") in wire.head()[1]
            assert chunk(wire) == b": welcome\n\n"
        for n in range(1, 4):
            assert server.get("/publish?text=event%d" % n).text == "50"
            assert [chunk(wire) for wire in wires] == [b"id: %d\ndata: event%d\n\n" % (n, n)] * 50
        server.get("/publish")
        assert [chunk(wire) for wire in wires] == [b""] * 50
        assert server.get("/publish").text == "0"


def test_a_subscriber_that_has_gone_is_noticed(server):
    before = state(server)["closed"].count("events")
    with asked(server, "/events") as wire:
        wire.head()
        assert chunk(wire) == b": welcome\n\n"

    def gone():
        server.get("/publish?text=x")
        return state(server)["subscribers"] == 0

    wait_for(gone, "the end of the subscription")
    assert state(server)["closed"].count("events") == before + 1


def test_long_polls(server):
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(asked(server, "/poll")) for _ in range(200)]
        wait_for(lambda: state(server)["subscribers"] == 200, "200 polls")
        for wire in wires[::2]:
            wire.sock.close()
        assert server.get("/publish?text=news").text == "200"
        assert [wire.answer().body for wire in wires[1::2]] == [b"news"] * 100
        assert [wire.get("/").body for wire in wires[1::2]] == [b"hello"] * 100 or server.kind == "gunicorn"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_slow_upload(server, framing):
    """Ten at a time, each in ten pieces, and others are served between the pieces."""
    data = os.urandom(MIB)
    pieces = [data[n:n + MIB // 8] for n in range(0, MIB, MIB // 8)]
    head = "POST /digest HTTP/1.1\r\nHost: t\r\n%s\r\n\r\n" % ("Content-Length: %d" % MIB if framing == "length" else "Transfer-Encoding: chunked")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.address, 60)) for _ in range(10)]
        for wire in wires:
            wire.send(head)
        for piece in pieces:
            for wire in wires:
                wire.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
            assert server.get("/").text == "hello"
        for wire in wires:
            if framing == "chunked":
                wire.send("0\r\n\r\n")
            assert wire.answer().body.decode() == "%d %s" % (MIB, hashlib.sha256(data).hexdigest())


@pytest.mark.gosrv_only("Gunicorn takes the end of the connection for the end of the body")
def test_an_upload_whose_client_goes(server):
    """A body that is read as it comes breaks off with an error; one that is taken whole never reaches the application."""
    before = state(server)["left"]
    streamed = "streamed" in os.environ["PYTEST_CURRENT_TEST"]
    with Wire(server.address) as wire:
        wire.send(b"POST /digest HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * (MIB // 2))
    if streamed:
        wait_for(lambda: len(state(server)["left"]) == len(before) + 1, "the error in read()")
        assert state(server)["left"][-1] == "ConnectionResetError"
    assert server.get("/").text == "hello"
    assert len(state(server)["left"]) == len(before) + streamed
