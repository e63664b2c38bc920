"""WebSockets under gevent and eventlet by each library that has them, with real clients; test_websockets runs with these classes too."""
import contextlib
import os
import threading

import pytest
import socketio
import websocket

import harness
from waiting import wait_for

pytestmark = [pytest.mark.green, pytest.mark.matrix]
BOTH = pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids=["polling", "websocket", "upgrade"])
GEVENT_WEBSOCKET = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
OF_GEVENT = pytest.mark.gevent_only("the library is gevent's")
LIMITS = ("--worker-connections", "2000", "--timeout", "120", "--graceful-timeout", "5")


@pytest.fixture(scope="module", params=["simple-websocket", pytest.param("gevent-websocket", marks=OF_GEVENT)])
def sio(start_shared, request):
    """Socket.IO over either library, as its documentation says to start it for that."""
    if request.param == "gevent-websocket":
        return start_shared("-k", GEVENT_WEBSOCKET, "socketio_server", *LIMITS, env={"MODE": "gevent"})
    return start_shared("socketio_server", *LIMITS, env={"MODE": harness.worker_class(), "HIDE": "geventwebsocket"})


@pytest.fixture
def client(sio):
    """Connects clients of Socket.IO, each with what it has heard, and disconnects them after the test."""
    clients = []

    def connect(transports):
        one = socketio.Client(reconnection=False)
        one.heard = []
        for event in ("said", "binary", "told", "number"):
            one.on(event, lambda data, event=event: one.heard.append((event, data)))
        one.connect(sio.url, transports=transports, wait_timeout=20)
        clients.append(one)
        return one

    yield connect
    for one in clients:
        one.disconnect()
    wait_for(lambda: sio.get("/").text == "0", "the end of all sessions", 30)


@BOTH
def test_socketio_events_and_acknowledgements(client, transports):
    one = client(transports)
    assert one.call("say", "hello", timeout=20) == "taken hello"
    for n in range(10):
        one.emit("say", "ä" * n)
    one.emit("binary", bytes(range(256)) * 300)
    wait_for(lambda: len(one.heard) == 12, lambda: one.heard)
    assert one.heard == [("said", "hello")] + [("said", "ä" * n) for n in range(10)] + [("binary", (bytes(range(256)) * 300)[::-1])]
    assert one.transport() == transports[-1]


@BOTH
def test_socketio_rooms_and_background_tasks(client, transports):
    """What one client causes reaches the others while each of them holds a long poll or a WebSocket."""
    many = [client(transports) for _ in range(5)]
    for one in many[:3]:
        one.call("join", "room", timeout=20)
    many[4].emit("tell", ("room", "news"))
    wait_for(lambda: [one.heard for one in many] == [[("told", "news")]] * 3 + [[], []], lambda: [one.heard for one in many])
    many[0].emit("count", 10)
    for one in many:
        wait_for(lambda one=one: [data for event, data in one.heard if event == "number"] == list(range(10)), lambda one=one: one.heard)


def connect(server, path, **kw):
    ws = websocket.WebSocket()
    ws.connect("ws://%s:%d%s" % (server.address + (path,)), timeout=30, **kw)
    return ws


def crowded(server, path, count=200):
    """So many at once, each of which is answered in turn, while pages are served."""
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(contextlib.closing(connect(server, path))) for _ in range(count)]
        for turn in range(3):
            for n, ws in enumerate(many):
                ws.send("%d of %d" % (n, turn))
            assert [ws.recv() for ws in many] == ["%d of %d" % (n, turn) for n in range(count)]
            assert server.get("/").status_code == 200


@pytest.fixture(scope="module")
def flask_sock(start_shared):
    """flask-sock, and simple-websocket under it, by gunicorn.socket."""
    return start_shared("websockets", *LIMITS)


@pytest.mark.parametrize("path", ["/echo", "/simple"])
def test_flask_sock_two_hundred_at_once(flask_sock, path):
    crowded(flask_sock, path)


@pytest.fixture(scope="module")
def wsgi_websocket(start_shared):
    return start_shared("gevent_websocket", "-k", GEVENT_WEBSOCKET, *LIMITS)


@OF_GEVENT
class TestGeventWebsocket:
    def test_messages_are_echoed(self, wsgi_websocket):
        ws = connect(wsgi_websocket, "/")
        for message in ("text", "ä" * 50, "x" * 70000):
            ws.send(message)
            assert ws.recv() == message
        ws.send_binary(b"bytes \x00")
        assert ws.recv() == b"bytes \x00"
        ws.ping("are you there")
        assert ws.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"are you there")
        ws.send("end")
        assert ws.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE
        ws.shutdown()
        assert wsgi_websocket.get("/").text == "hello"

    def test_two_hundred_at_once(self, wsgi_websocket):
        crowded(wsgi_websocket, "/")

    def test_what_the_application_sees(self, wsgi_websocket):
        ws = connect(wsgi_websocket, "/protocol", cookie="a=b")
        assert ws.recv() == "13 a=b"
        ws.close()

    def test_an_exception_ends_its_connection_only(self, wsgi_websocket):
        quiet = connect(wsgi_websocket, "/")
        ws = connect(wsgi_websocket, "/raise")
        with pytest.raises((websocket.WebSocketException, OSError)):
            while ws.recv_data(control_frame=True)[0] != websocket.ABNF.OPCODE_CLOSE:
                pass
            raise websocket.WebSocketConnectionClosedException("closed in the protocol's way")
        quiet.send("still there")
        assert quiet.recv() == "still there"
        quiet.close()
        wsgi_websocket.wait_log("ValueError: on purpose")

    def test_the_client_goes_without_a_word(self, wsgi_websocket):
        pid, = wsgi_websocket.worker_pids()
        before = len(os.listdir("/proc/%d/fd" % pid))
        for _ in range(20):
            ws = connect(wsgi_websocket, "/")
            ws.send("text")
            assert ws.recv() == "text"
            ws.shutdown()
        wait_for(lambda: len(os.listdir("/proc/%d/fd" % pid)) <= before, "as many descriptors as before")


def test_a_websocket_and_a_thousand_requests_beside_it(flask_sock):
    ws = connect(flask_sock, "/echo")
    seen = []
    threads = [threading.Thread(target=lambda: seen.extend(flask_sock.get("/").status_code for _ in range(100))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for n in range(200):
        ws.send(str(n))
        assert ws.recv() == str(n)
    for thread in threads:
        thread.join()
    assert seen == [200] * 1000
    ws.close()
