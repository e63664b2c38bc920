"""What a worker holds comes back when it is not needed any more."""
import pytest

from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn reads a body when the application does")
MIB = 1 << 20
CLIENTS, BODY = 50, 900_000


def resident(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * 4096


def test_the_memory_of_a_burst_of_uploads_is_given_back(start):
    server = start("hello")
    worker = server.worker_pids()[0]
    before = resident(worker)
    wires = [server.wire() for _ in range(CLIENTS)]
    try:
        for wire in wires:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY + b"x" * (BODY - 1))
        wait_for(lambda: resident(worker) > before + CLIENTS * BODY // 2, "the bodies in memory")
        for wire in wires:
            wire.send(b"x")
            assert wire.answer("POST").status == 200
        wait_for(lambda: resident(worker) < before + 16 * MIB, lambda: "%d MiB more than before" % ((resident(worker) - before) // MIB))
    finally:
        for wire in wires:
            wire.sock.close()
