"""WebSockets by flask-sock and simple-websocket over gunicorn.socket, as they run under Gunicorn's sync and gthread."""
import signal
import socket
import struct

import pytest
import websocket

import harness
from waiting import wait_for

VIEWS = pytest.mark.parametrize("path", ["/echo", pytest.param("/simple", marks=pytest.mark.gosrv_only(
    "Gunicorn tries to send what the view returns, too, to a client that has gone"))])
PING = "1"  # s; a client whose pong takes longer is given up
CREWS = pytest.mark.parametrize("threads", [1, 4])


@pytest.fixture(scope="module")
def shared(start_shared):
    """One server for each number of threads and ping interval; the reader threads of what has ended raise nothing."""
    servers = {}

    def server(threads, ping=""):
        key = threads, ping
        if key not in servers:
            servers[key] = start_shared("websockets", "--threads", threads, "--keep-alive", "60", env={"PING": ping})
        return servers[key]

    return server


class Counting(websocket.WebSocket):
    """Counts the pings that come while something else is waited for."""

    pings = 0

    def pong(self, payload=""):
        self.pings += 1
        super().pong(payload)


def connect(server, path, wire=None):
    ws = Counting()
    ws.connect("ws://%s:%d%s" % (server.address + (path,)), timeout=30, **({"socket": wire.sock} if wire else {}))
    return ws


def echoed(ws, message):
    ws.send(message) if isinstance(message, str) else ws.send_binary(message)
    return ws.recv() == message


def ended(ws):
    """The closing frame, and behind it the end of the connection without another byte."""
    opcode, data = ws.recv_data(control_frame=True)
    rest = b""
    while True:
        more = ws.sock.recv(1000)
        if not more:
            return (opcode, data[:2], rest) == (websocket.ABNF.OPCODE_CLOSE, struct.pack("!H", 1000), b"")
        rest += more


def clean(server, seen):
    """Nothing has raised since the log was so long."""
    said = server.log[seen:]
    assert not [word for word in ("Traceback", "Exception in thread", "BlockingIOError", "RuntimeError") if word in said], said
    return True


@CREWS
@VIEWS
@pytest.mark.parametrize("ping", ["", PING], ids=["without-pings", "with-pings"])
def test_messages_are_echoed_and_the_end_is_silent(shared, threads, path, ping):
    server = shared(threads, ping)
    seen = len(server.log)
    ws = connect(server, path)
    for message in ("text", "ä" * 50, b"bytes \x00", "x" * 70000):
        assert echoed(ws, message)
    if ping:
        while not ws.pings:
            ws.recv_data_frame(control_frame=True)
    ws.send("end")
    assert ended(ws)
    ws.shutdown()
    assert server.get("/").text == "hello" and clean(server, seen)


@CREWS
@VIEWS
def test_the_client_closes(shared, threads, path):
    server = shared(threads)
    seen = len(server.log)
    over = server.log.count("OVER")
    ws = connect(server, path)
    assert echoed(ws, "text")
    ws.close()
    server.wait_log("OVER", count=over + 1)
    assert clean(server, seen)


@CREWS
@pytest.mark.parametrize("ping", ["", PING], ids=["without-pings", "with-pings"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_client_goes_and_nothing_is_left(shared, threads, how, ping):
    server = shared(threads, ping)
    seen = len(server.log)
    before, over = int(server.get("/descriptors", headers={"Connection": "close"}).text), server.log.count("OVER")
    for _ in range(5):
        ws = connect(server, "/echo")
        assert echoed(ws, "text")
        if how == "reset":
            ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.shutdown()
    server.wait_log("OVER", count=over + 5)
    wait_for(lambda: int(server.get("/descriptors", headers={"Connection": "close"}).text) == before, "as many descriptors as before")
    assert clean(server, seen)


@VIEWS
def test_several_at_a_time(shared, path):
    """Three threads have a WebSocket each, and the fourth serves; or three greenlets."""
    server = shared(1 if harness.worker_class() else 4)
    sockets = [connect(server, path) for _ in range(3)]
    for n in range(3):
        assert all(echoed(ws, "message %d" % n) for ws in sockets)
        assert server.get("/").text == "hello"
    for ws in sockets:
        ws.close()


@CREWS
def test_a_request_before_it_on_the_same_connection(shared, threads):
    server = shared(threads)
    with server.wire() as wire:
        if server.kind == "gosrv" or threads > 1:
            assert wire.get("/").body == b"hello"
        ws = connect(server, "/echo", wire)
        assert echoed(ws, "text")
        ws.close()


@pytest.mark.gosrv_only("Gunicorn's sync worker stays in the request until it is killed")
@CREWS
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_drain_waits_for_it(start, threads, sig):
    server = start("websockets", "--threads", threads, "--graceful-timeout", "60")
    pids = server.wait_workers(1)
    ws = connect(server, "/echo")
    server.send_signal(sig)
    server.wait_log("Handling signal: %s" % sig.name[3:].lower())
    if sig == signal.SIGHUP:
        server.wait_workers(2)
        assert server.get("/").text == "hello"
    assert echoed(ws, "still there")
    ws.send("end")
    assert ended(ws)
    if sig == signal.SIGHUP:
        server.wait_workers(1, without=pids)
    else:
        assert server.wait_end() == 0
