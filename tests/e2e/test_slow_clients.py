"""Slow, silent and greedy clients hold nobody up: one worker of one thread, and good clients do not notice them."""
import contextlib
import time

import pytest

import harness
import share
from crowd import Crowd, raise_descriptor_limit
from waiting import wait_for
from wire import Wire

pytestmark = pytest.mark.gosrv_only("each of these clients holds a worker or a thread of Gunicorn's")
ROUNDS = 100  # of a good client; the measured times are printed
ROOM = 128 << 10  # bytes of the receive buffer of a client that is to hold little


def window():
    """Bytes that may lie between a generator and such a client: what the kernel lets the server's socket grow to, and a little."""
    with open("/proc/sys/net/ipv4/tcp_wmem") as f:
        return int(f.read().split()[2]) + 2 * ROOM + (1 << 20)


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    assert raise_descriptor_limit(10_000)


def ask(address):
    """One good client: a new connection, one request; returns the seconds it took."""
    began = time.monotonic()
    with Wire(address, 20) as wire:
        answer = wire.get("/", "Connection: close")
    assert (answer.status, answer.body) == (200, b"small")
    return time.monotonic() - began


def measure(server):
    """Ask again and again, on new connections and on a kept one. Each must be answered before its client loses patience."""
    fresh, kept = [], []
    with Wire(server.address, 20) as wire:
        for _ in range(ROUNDS):
            fresh.append(ask(server.address))
            began = time.monotonic()
            assert wire.get("/").body == b"small"
            kept.append(time.monotonic() - began)
    return fresh, kept


def worst(times):
    return sorted(times)[len(times) * 99 // 100]


def report(name, **times):
    print("\n%s: %s" % (name, ", ".join(
        "%s n=%d p50 %.1f ms p99 %.1f ms max %.1f ms" % (key, len(found), sorted(found)[len(found) // 2] * 1000, worst(found) * 1000, max(found) * 1000)
        for key, found in times.items())))


def test_all_of_them_at_once(start):
    """400 slow heads, 400 slow bodies (half after Expect), 400 slow readers and 50 that never close."""
    server = start("pacing", *harness.patient(), "--write-timeout", "600")  # no bad client gives way before a good one has given up
    pids = server.worker_pids()
    with Crowd(server.address, headers=400, bodies=400, readers=400, holders=50) as crowd:
        wait_for(lambda: server.get("/produced").text != "0", "the first answer to a slow reader")
        fresh, kept = measure(server)
        wait_for(lambda: crowd.states() == {
            ("slow header", "open"): 400, ("slow body", "open"): 200, ("slow body after Expect", "open"): 200,
            ("slow reader", "open"): 400, ("never closes", "held"): 50,
        }, crowd.states)
    report("with 1250 bad clients", fresh=fresh, kept=kept)
    assert server.worker_pids() == pids
    ask(server.address)


def test_slow_heads_are_cut_off_in_the_end(start):
    """The time for a head is absolute: a byte now and then does not buy more."""
    server = start("pacing", "--header-timeout", "1")
    with contextlib.ExitStack() as stack:
        with server.held():  # a client that says nothing in its second would get no 408
            crowd = stack.enter_context(Crowd(server.address, headers=100))
        wait_for(lambda: set(crowd.states()) == {("slow header", "cut: end")}, crowd.states, 15)
        assert all(client.got.startswith(b"HTTP/1.1 408 ") for client in crowd.clients)


def test_slow_bodies_are_cut_off_in_the_end(start):
    """A body has a minimum rate: a byte now and then is not enough."""
    server = start("pacing", "--body-timeout", "1")
    with Crowd(server.address, bodies=100) as crowd:
        wait_for(lambda: {state for _, state in crowd.states()} == {"cut: end"}, crowd.states, 15)


def test_a_generator_is_not_run_ahead_of_a_slow_reader(start):
    server = start("pacing")
    made = lambda: int(server.get("/produced").text)
    with Wire(server.address, 30, ROOM) as wire:
        wire.send("GET /made?mb=64 HTTP/1.1\r\nHost: t\r\n\r\n")
        settled(made)
        ahead = made()
        print("\nproduced %d KB ahead of a reader that reads nothing" % (ahead >> 10))
        assert ahead < window()
        wire.head()
        size = 0
        for _ in range(4):
            while size < len(wire.kept):
                size += len(wire.exactly(len(wire.kept)))
            target = size + (4 << 20)
            while size < target:
                wire.more()
                size += len(wire.exactly(len(wire.kept)))
            settled(made)
            assert made() - size < window(), "the window does not grow"
        while size < 64 << 20:
            wire.more()
            size += len(wire.exactly(len(wire.kept)))
    assert made() == 64 << 20


def settled(look):
    """Wait until a value stays the same over 20 looks."""
    seen = []

    def same():
        seen.append(look())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    wait_for(same, "a value that stays", 15)


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def idle_connections(start, count, bound):
    """So many kept-alive connections, each after one request; returns nothing, prints what they cost."""
    server = start("pacing", "--keep-alive", "300", *harness.patient())  # all are open before the first of them asks
    worker = server.worker_pids()[0]
    for _ in range(200):
        ask(server.address)
    before = resident(worker)
    wires = [Wire(server.address) for _ in range(count)]
    try:
        for wire in wires:
            assert wire.get("/").body == b"small"
        grown = resident(worker) - before
        print("\n%d idle connections: worker RSS %+d KB, %.2f KB each" % (count, grown, grown / count))
        assert grown < bound
        ask(server.address)
        assert wires[0].get("/").body == b"small" and wires[-1].get("/").body == b"small"
    finally:
        for wire in wires:
            wire.sock.close()


def test_2000_idle_connections(start):
    idle_connections(start, 2000, 20_000)


@pytest.mark.soak
def test_10000_idle_connections(start):
    count = share.of(10_000)
    if not raise_descriptor_limit(count + 1000):
        pytest.skip("this machine allows fewer descriptors")
    idle_connections(start, count, count * 10)


def test_the_longest_idle_one_goes_when_there_are_too_many(start):
    """--max-connections: new clients are accepted, and the connection that was idle longest pays for it."""
    server = start("pacing", "--max-connections", "20", "--keep-alive", "300")
    wires = [Wire(server.address) for _ in range(20)]
    for wire in wires:
        assert wire.get("/").status == 200
    later = Wire(server.address)
    assert later.get("/").status == 200
    assert wires[0].closed()
    for wire in [*wires[1:], later]:
        if wire is not wires[1]:
            assert wire.get("/").status == 200
    for wire in [*wires, later]:
        wire.sock.close()
    assert harness.BOOTING.findall(server.log)


@pytest.mark.gosrv_only("Gunicorn's sync worker reads from the connection that it has accepted until the request is there")
@pytest.mark.not_green("greenlets run side by side")
@pytest.mark.plain_only("a handshake with workers that stand still would hold the test up")
def test_a_request_that_comes_after_its_connection_does_not_wait_for_all_others(start):
    """The first of the queue has nothing to say yet; while those behind it are served one after the other, it has."""
    server = start("sleeping", "--workers", "1")
    with contextlib.ExitStack() as stack:
        with server.held():
            first = stack.enter_context(server.wire())
            others = [stack.enter_context(server.wire()).send(b"GET /sleep?s=0.1 HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(10)]
        server.wait_log("BEGIN")
        assert first.get("/").status == 200
        assert server.log.count("END") < 5
        assert [other.answer().status for other in others] == [200] * 10
