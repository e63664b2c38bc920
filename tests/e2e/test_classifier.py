"""The classifier sees what a server does wrong: each fault is played by a small server that commits it once."""
import socket
import struct
import threading
import time

import pytest

from classifier import Clients, Connection, Ended
from feeding import taken

pytestmark = pytest.mark.not_green("its servers are none of gosrv's")

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
IDLE = 3600.0  # seconds; no test is so slow


class Faulty:
    """Answers rightly, except that the request with number `at` meets `fault(connection, number)`."""

    def __init__(self, at, fault):
        self.at, self.fault = at, fault
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.threads = []
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while True:
                try:
                    data = connection.recv(65536)
                    if not data:
                        return
                    number = int(data.split(b" ")[1].partition(b"?")[2])
                    if number == self.at:
                        self.fault(connection, number)
                        return
                    connection.sendall(RIGHT % (len(b"%d" % number), b"%d" % number))
                except OSError:
                    return

    def close(self):
        self.listener.close()


def vanish(connection, number):
    pass


def reset(connection, number):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stop_half_way(connection, number):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def reset_half_way(connection, number):
    stop_half_way(connection, number)
    taken(connection)
    reset(connection, number)


def answer_another(connection, number):
    connection.sendall(RIGHT % (1, b"x"))


def fail(connection, number):
    connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n%d" % number)


@pytest.mark.parametrize("fault, outcome", [
    (vanish, "lost"), (reset, "reset"), (stop_half_way, "truncated"), (reset_half_way, "truncated"), (answer_another, "wrong"), (fail, "wrong"),
], ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize("kept, closing", [(3, 0), (0, 3)], ids=["kept", "closing"])
def test_one_fault_among_many_is_found(fault, outcome, kept, closing):
    server = Faulty(50, fault)
    with Clients(server.address, kept, closing, IDLE) as clients:
        clients.progress(100)
    server.close()
    assert clients.counts[outcome] == 1 and clients.bad == 1, clients
    assert len(clients.evidence) == 1


def test_a_faultless_server_gets_no_blame():
    server = Faulty(0, vanish)
    with Clients(server.address, 3, 3, IDLE) as clients:
        clients.progress(300)
    assert clients.bad == 0 and clients.counts["ok"] >= 300
    server.close()
    assert set(clients.counts) <= {"ok", "excused"}


@pytest.mark.parametrize("idle, outcome", [(IDLE, "excused"), (0.0, "lost"), (IDLE / 2, "lost")])
def test_only_the_idle_time_out_excuses(idle, outcome):
    server = Faulty(2, vanish)
    connection = Connection(server.address, IDLE)
    assert connection.ask(1, keep=True)
    connection.asked -= idle  # as if so much time had passed
    with pytest.raises(Ended) as end:
        connection.ask(2, keep=True)
    assert end.value.outcome == outcome
    connection.close()
    server.close()


def test_a_first_request_is_never_excused():
    server = Faulty(1, vanish)
    connection = Connection(server.address, 0.0)
    with pytest.raises(Ended) as end:
        connection.ask(1, keep=True)
    assert end.value.outcome == "lost"
    connection.close()
    server.close()


def test_a_goodbye_while_idle_is_no_loss():
    server = Faulty(0, vanish)
    connection = Connection(server.address, IDLE)
    assert connection.ask(1, keep=True) and not connection.closed_meanwhile()
    connection.socket.shutdown(socket.SHUT_WR)  # the server closes in turn
    connection.socket.settimeout(5)
    while not connection.closed_meanwhile():
        time.sleep(0.001)
    connection.close()
    server.close()


def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Ended) as end:
            Connection(bound.getsockname(), IDLE)
    assert end.value.outcome == "refused"
