"""Two workers, one busy: a connection that it keeps alive is served by the other one meanwhile."""
import select
import signal
import threading

import pytest

import procs
from test_stop import in_background
from waiting import wait_for
from wire import Closed, Wire

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn's sync worker keeps no connection"),
    pytest.mark.not_green("a greenlet that waits holds up no connection"),
]
CLIENTS = 50


@pytest.fixture
def serve(start, tmp_path):
    """Starts `slots` by two workers; idle connections stay open however slow the test is. server.gate: occupy() and free()."""

    def make(*args, app="slots", workers=2, **kw):
        gate = tmp_path / "gate"
        server = start(app, "--workers", workers, "--timeout", "60", "--keep-alive", "60", *args, env={"GATE": gate}, **kw)
        server.gate = gate
        server.wait_workers(workers)
        return server

    return make


@pytest.fixture
def two(serve):
    return serve()


def occupy(server, wire=None, path="/gate"):
    """One request that keeps a worker busy until free(); returns its connection once the application has it."""
    wire = wire or Wire(server.address, 30)
    begun = server.log.count("BEGIN")
    wire.send("GET %s HTTP/1.1\r\nHost: t\r\n\r\n" % path)
    server.wait_log("BEGIN", count=begun + 1)
    return wire


def free(server, wire):
    """Let that request come to its end."""
    server.gate.touch()
    assert wire.answer().status == 200
    server.gate.unlink()


def joined(server, count):
    """So many kept-alive connections, each asked as soon as it is there, and the worker that each is with."""
    wires, pids = [], []
    for _ in range(count):
        wires.append(Wire(server.address, 20))
        pids.append(int(wires[-1].get("/pid").body))
    return wires, pids


def spread(server, count=CLIENTS):
    """Kept-alive connections, and the worker that each of them is with: at least one is with either."""
    wires, pids = joined(server, count // 2)
    occupy(server, wires[0])  # its worker is busy: the next ones go to the other
    more, theirs = joined(server, count - len(wires))
    free(server, wires[0])
    return wires + more, pids + theirs


def close(wires):
    for wire in wires:
        wire.sock.close()


def test_nobody_waits_for_a_busy_worker(two):
    """One request stays in its worker; 50 kept-alive clients of both are answered again and again meanwhile."""
    wires, pids = spread(two)
    assert set(pids) == set(two.worker_pids()), "both have some"
    busy = occupy(two)
    for _ in range(10):
        assert all(wire.get("/pid").status == 200 for wire in wires)
    free(two, busy)
    close([*wires, busy])


def test_a_worker_that_was_alone(serve):
    """TTIN gives it somebody to hand over to."""
    server = serve(workers=1)
    first, = server.wait_workers(1)
    wires, pids = joined(server, 10)
    assert set(pids) == {first}
    server.send_signal(signal.SIGTTIN)
    server.wait_workers(2)
    second, = set(server.wait_workers(2)) - {first}

    def served_by_the_second():
        """While the first one sleeps, its connections are served by the second, once that is ready."""
        wires[0].send("GET /sleep?s=0.5 HTTP/1.1\r\nHost: t\r\n\r\n")
        found = {int(wire.get("/pid").body) for wire in wires[1:]}
        assert wires[0].answer().status == 200
        return second in found

    wait_for(served_by_the_second, "an answer of the second worker to a client of the first", 30)
    close(wires)


def test_the_switch(serve):
    """The same test fails with the hand-over switched off: who is with the busy worker waits for it."""
    server = serve("--no-hand-over")
    wires, pids = spread(server)
    assert set(pids) == set(server.worker_pids()), "both have some"
    busy = occupy(server, wires[0])
    mine = [wire for wire, pid in zip(wires, pids) if pid == pids[0]][1:]
    for wire in mine:
        wire.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
    for wire, pid in zip(wires, pids):
        assert pid == pids[0] or int(wire.get("/pid").body) == pid
    assert not select.select([wire.sock for wire in mine], [], [], 0)[0]
    free(server, busy)
    assert all(int(wire.answer().body) == pids[0] for wire in mine)
    close(wires)


def unread(server, wires):
    """How many bytes from these clients the server has not taken yet."""
    ports = {wire.sock.getsockname()[1] for wire in wires}
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    port = lambda address: int(address.rpartition(":")[2], 16)
    return sum(int(row[4].rpartition(":")[2], 16) for row in rows if port(row[1]) == server.port and port(row[2]) in ports)


def test_a_receiver_that_stands_still(two):
    """The other worker is stopped: its offers are taken back when the busy one is free, and nobody is answered twice."""
    wires, pids = spread(two, 20)
    occupy(two, wires[0])
    other = next(pid for pid in pids if pid != pids[0])
    procs.kill(other, signal.SIGSTOP)
    try:
        mine = [wire for wire, pid in zip(wires, pids) if pid == pids[0]][1:]
        for wire in mine:
            wire.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_for(lambda: unread(two, mine) == 0, "the requests to be read")
        two.gate.touch()
        assert all(int(wire.answer().body) == pids[0] for wire in mine)
    finally:
        procs.kill(other, signal.SIGCONT)
    assert wires[0].answer().status == 200
    assert all(wire.get("/pid").status == 200 for wire in wires)
    close(wires)


def test_reload_meanwhile(two):
    """HUP while connections change hands: every client gets all its answers, on a new connection where it was told so."""
    stop, wrong, served = threading.Event(), [], []

    def client(number):
        wire, n = Wire(two.address, 20), 0
        while not stop.is_set():
            n += 1
            try:
                answer = wire.get("/sleep?s=0.02" if (number + n) % 6 == 0 else "/pid")
            except (OSError, Closed) as error:
                wrong.append(error)
                return
            served.append(answer.status)
            if answer.get("Connection") == "close":
                wire.sock.close()
                wire = Wire(two.address, 20)
        wire.sock.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        old = two.worker_pids()
        two.send_signal(signal.SIGHUP)
        two.wait_workers(2, without=old)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not wrong and set(served) == {200}


def test_all_at_once(two):
    """The same from 50 threads, and the busy worker comes back in the middle: nobody is answered twice, or with somebody else's answer."""
    wires, _ = spread(two)
    busy = occupy(two)
    right, wrong = [], []

    def client(number, wire):
        for n in range(20):
            answer = wire.get("/echo?%d-%d" % (number, n))
            (right if answer.status == 200 else wrong).append(answer)

    threads = [threading.Thread(target=client, args=pair) for pair in enumerate(wires)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(right) > 300 or wrong, "answers beside the busy worker")
    free(two, busy)
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads) and not wrong
    close([*wires, busy])


def test_unread_bytes_travel_along(two):
    """Half a request, a pipelined one and a body: nothing of it is lost on the way to another worker."""
    wires, _ = spread(two, 10)
    for wire in wires:
        wire.send("GET /pid HTTP/1.1\r\nHo")
    busy = occupy(two)
    for wire in wires:
        wire.send("st: t\r\n\r\nPOST /pid HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhel")
    for wire in wires:
        assert wire.answer().status == 200
        wire.send("loGET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
    for wire in wires:
        assert wire.answer().status == 200 and wire.answer().status == 200 and wire.kept == b""
    free(two, busy)
    close([*wires, busy])


def test_a_kept_connection_survives_the_death_of_the_receiver(serve):
    """The one that takes over is killed in the middle: what it had is lost, what it was offered is not."""
    server = serve(balance=False)
    for _ in range(3):
        wires, pids = spread(server, 20)
        occupy(server, wires[0])
        victim = next(pid for pid in server.wait_workers(2) if pid != pids[0])
        procs.kill(victim)
        lost = 0
        for wire in wires[1:]:
            try:
                assert wire.get("/pid").status == 200
            except (OSError, Closed):
                lost += 1
        assert lost <= pids.count(victim), "only what the dead one held may be lost"
        free(server, wires[0])
        server.wait_workers(2, without=[victim])
        close(wires)


def test_a_thousand_hand_overs_leave_nothing_behind(two):
    """Sockets are as many as before when connections have gone to and fro between the workers."""
    wires, owners = joined(two, 51)
    moved, before = 0, None
    while moved < 1000:
        wires[0].send("GET /sleep?s=0.15 HTTP/1.1\r\nHost: t\r\n\r\n")
        now = [int(wire.get("/pid").body) for wire in wires[1:]]
        assert wires[0].answer().status == 200
        owners[0] = int(wires[0].get("/pid").body)
        moved += sum(was != new for was, new in zip(owners[1:], now))
        owners[1:] = now
        wires.insert(0, wires.pop(next(i for i, pid in enumerate(owners) if pid == now[-1])))
        owners = [int(wire.get("/pid").body) for wire in wires]
        before = before or sockets(two)
    # All connections may be with either worker: their sum is what has to be flat.
    wait_for(lambda: len(sockets(two)) <= len(before) + 2, lambda: "%s, now %s" % (before, sockets(two)))
    close(wires)


def sockets(server):
    """Of the master and the workers; files are opened and closed for other reasons."""
    return [(pid, number, link) for pid in [server.pid, *server.worker_pids()] for number, link in procs.open_fds(pid).items() if link.startswith("socket:")]


def test_the_client_sees_the_end_while_a_child_of_the_application_lives(start):
    """A child of the application that holds copies of descriptors must not keep a connection open."""
    server = start("children", "-w", "2")
    waits = [in_background(lambda: server.get("/fork")) for _ in range(4)]
    with server.wire() as wire:
        assert wire.get("/", "Connection: close").status == 200
        assert wire.closed()
    assert all(wait().status_code == 200 for wait in waits)


def test_the_client_of_a_handed_over_connection_sees_its_end(serve):
    """A child that was forked where the connection came from, and still lives, keeps nothing open."""
    server = serve(app="lingering_child")
    wires, pids = joined(server, 20)
    occupy(server, wires[0], "/child")
    for wire in wires[1:]:
        assert int(wire.get("/pid", "Connection: close").body) != pids[0]
        assert wire.closed()
    free(server, wires[0])
    close(wires)
