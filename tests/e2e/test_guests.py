"""write() belongs to its request: whoever calls it, and whenever, its bytes reach no other client."""
import re

import pytest


@pytest.mark.gosrv_only("Gunicorn blocks a worker while a client does not read")
@pytest.mark.not_green("there the answer waits in a call of its own, whose write() may be used")
@pytest.mark.parametrize("caller", ["itself", "thread"])
def test_write_between_two_pieces_reaches_nobody_else(start, caller):
    server = start("guests")
    with server.wire() as slow:
        slow.send("GET /large HTTP/1.1\r\nHost: t\r\n\r\n")
        slow.sock.recv(1)  # it has begun, and the socket has no room for all of it
        assert server.get("/").content == b"hello"
        assert server.get("/other?" + caller).content == b"RuntimeError"


@pytest.mark.gosrv_only("Gunicorn lets them write into the next answer")
@pytest.mark.matrix
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_that_write_on(start, threads):
    """Whole pieces of each thread, in its order, as far as they came before the end."""
    server = start("guests", "--threads", threads)
    for _ in range(10):
        text = server.get("/writers").text
        found = re.findall(r"<([abcg])(\d+)>", text)
        assert "".join("<%s%s>" % one for one in found) == text
        for name in "abcg":
            numbers = [int(n) for who, n in found if who == name]
            assert numbers == list(range(len(numbers)))
        assert text.count("<g") == 50
        assert server.get("/").content == b"hello"
    assert "SIGSEGV" not in server.log
