"""--stream-request-body: the application is called with the head and reads the body as it comes."""
import hashlib
import json
import re
import signal
import time

import pytest

import harness
import procs
import test_input
from test_stop import in_background

pytestmark = pytest.mark.gosrv_only("Gunicorn always reads bodies as they come, by other rules")

POST = "POST /%s HTTP/1.1\r\nHost: t\r\n"
FRAMINGS = ["length", "chunked"]
THREADS = [1, 4]


def head(path, framing, size, *more):
    lines = ["Transfer-Encoding: chunked"] if framing == "chunked" else ["Content-Length: %d" % size]
    return POST % path + "".join(line + "\r\n" for line in lines + list(more)) + "\r\n"


def part(framing, data):
    return b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data


def end(framing):
    return b"0\r\n\r\n" if framing == "chunked" else b""


def body(answer):
    return json.loads(answer.body)


def follows(wire, path="/next"):
    """The connection is in order: the next request on it is seen as sent."""
    answer = wire.get(path)
    assert answer.status == 200 and body(answer) == {"path": path}


def digest(data):
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture(scope="module", params=THREADS, ids=["sync", "threads"])
def server(request, start_shared):
    return start_shared("streamed_body", "--stream-request-body", "--threads", str(request.param), "--body-timeout", "20", "--limit-request-body", "100000000",
                        *harness.KEPT)


def mark(server, line):
    """How often the log has the line now; a later wait_log counts from there."""
    return server.log.count(line)


@pytest.mark.matrix
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_first_bytes_are_read_before_the_last_are_sent(server, framing):
    seen = mark(server, "FIRST first-")
    with server.wire() as wire:
        for _ in range(2):
            wire.send(head("first", framing, 12)).send(part(framing, b"first-"))
            seen += 1
            server.wait_log("FIRST first-", count=seen)
            wire.send(part(framing, b"second") + end(framing))
            assert body(wire.answer()) == {"body": "first-second"}
            follows(wire)


@pytest.mark.matrix
@pytest.mark.parametrize("framing", FRAMINGS)
def test_it_reads_as_bytesio_does(start_shared, framing):
    server = start_shared("input_script", "--stream-request-body")
    for kind, data in test_input.BODIES.items():
        for script in test_input.SCRIPTS if kind != "blocks" else test_input.SCRIPTS[:2] + test_input.SCRIPTS[-3:]:
            with server.wire() as wire:
                try:
                    test_input.send(wire, framing, script, data)
                except OSError:
                    pass  # a script that leaves much unread gets its answer, and the connection ends
                assert json.loads(wire.answer().body) == test_input.expected(data, script), (kind, script)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_pipelined_request_stays_behind_the_body(server, framing):
    data = b"x" * 50_000
    with server.wire() as wire:
        for path in ("all", "ignore", "all", "ignore", "ignore"):
            wire.send(head(path, framing, len(data)).encode() + part(framing, data) + end(framing) + b"GET /behind HTTP/1.1\r\nHost: t\r\n\r\n")
            assert body(wire.answer()) == (digest(data) if path == "all" else {"path": "/ignore"})
            assert body(wire.answer()) == {"path": "/behind"}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_100_leaves_at_the_first_read(server, framing):
    with server.wire() as wire:
        for _ in range(2):
            wire.send(head("first", framing, 12, "Expect: 100-continue"))
            assert wire.answer().status_line == "HTTP/1.1 100 Continue"
            wire.send(part(framing, b"first-") + part(framing, b"second") + end(framing))
            assert body(wire.answer()) == {"body": "first-second"}
            follows(wire)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_100_when_nothing_reads(server, framing):
    """The client was told no more than the answer: whether its body comes is open, so nothing else may."""
    seen = mark(server, "BEGIN /smuggled")
    with server.wire() as wire:
        wire.send(head("ignore", framing, 12, "Expect: 100-continue"))
        answer = wire.answer()
        assert answer.status == 200 and answer.get("Connection") == "close"
        wire.send("GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wire.closed()
    assert mark(server, "BEGIN /smuggled") == seen


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_100_when_the_body_is_here_already(server, framing):
    with server.wire() as wire:
        wire.send(head("first", framing, 12, "Expect: 100-continue").encode() + part(framing, b"first-second") + end(framing))
        assert body(wire.answer()) == {"body": "first-second"}
        follows(wire)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_large_upload_needs_neither_memory_nor_a_file(start, framing):
    server = start("streamed_body", "--stream-request-body")
    block = bytes(range(256)) * 4096
    before = server.get("/facts").json()
    with server.wire(timeout=60) as wire:
        wire.send(head("all", framing, 64 * len(block)))
        for n in range(64):
            wire.send(part(framing, block))
            if n == 32:
                assert not [one for one in procs.open_fds(before["pid"]).values() if one.startswith("/tmp/") and "deleted" in one]
        wire.send(end(framing))
        assert body(wire.answer()) == digest(block * 64)
    after = server.get("/facts").json()
    assert after["pid"] == before["pid"] and after["peak"] - before["peak"] < 8 << 10, (before, after)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_generator_reads_while_its_answer_leaves(server, framing):
    with server.wire() as wire:
        wire.send(head("echo", framing, 300_000))
        for n in range(3):
            data = bytes([65 + n]) * 100_000
            sender = in_background(lambda: wire.send(part(framing, data) + (end(framing) if n == 2 else b"")))
            if n == 0:
                assert wire.head()[0] == "HTTP/1.1 200 OK"
            if n < 2:
                # The generator reads 65536 at a time: the rest of each part comes with the next.
                size = int(wire.until(b"\r\n"), 16)
                assert size == 65536 and set(wire.exactly(size)) <= {65, 66} and wire.exactly(2) == b"\r\n"
            sender()
        rest = 300_000 - 2 * 65536
        while rest:
            size = int(wire.until(b"\r\n"), 16)
            rest -= len(wire.exactly(size))
            wire.exactly(2)
        assert wire.until(b"\r\n\r\n") == b"0"


def test_a_thread_of_the_application_may_read(server):
    data = b"0123456789" * 100_000
    for framing in FRAMINGS:
        with server.wire() as wire:
            wire.send(head("thread", framing, len(data)).encode() + part(framing, data) + end(framing))
            assert body(wire.answer()) == digest(data)
            follows(wire)


def test_reading_on_when_the_request_is_over_is_an_error(server):
    seen = mark(server, "LEFT OSError")
    with server.wire() as wire:
        wire.send(head("left", "length", 6)).send(b"abc")
        assert body(wire.answer()) == {"reading": True}
        server.wait_log("LEFT OSError .*the request is over", count=seen + 1)
    assert server.get("/next").status_code == 200


@pytest.mark.not_green("gevent closes a pipe with its loop's next turn, and the application reads it to its end before that")
def test_a_forked_child_has_no_part_in_it(server):
    with server.wire() as wire:
        begun = mark(server, "BEGIN /fork")
        wire.send(head("fork", "length", 4)).send(b"bo")
        server.wait_log("BEGIN /fork", count=begun + 1)
        wire.send(b"dy")
        answer = body(wire.answer())
        assert answer["body"] == "body" and answer["child"].startswith("RuntimeError ") and "forked child" in answer["child"]
        follows(wire)


@pytest.mark.matrix
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_client_that_goes_in_the_middle(server, framing):
    pids = server.worker_pids()
    line = "BROKEN ConnectionResetError .*in the middle of the request body"
    for path in ("catch", "all"):
        seen = len(re.findall(line, server.log))
        begun = mark(server, "BEGIN /" + path)
        with server.wire() as wire:
            wire.send(head(path, framing, 100).encode() + part(framing, b"some"))
            server.wait_log("BEGIN /" + path, count=begun + 1)
        server.wait_log(line, count=seen + 1)
    assert server.get("/next").status_code == 200 and server.worker_pids() == pids


@pytest.mark.parametrize("path, status", [("catch", 422), ("all", 400)])
def test_malformed_chunks(server, path, status):
    seen = mark(server, "BEGIN /smuggled")
    with server.wire() as wire:
        wire.send(head(path, "chunked", 0).encode() + b"4\r\nsome\r\nX\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n")
        answer = wire.answer()
        assert answer.status == status and answer.get("Connection") == "close"
        assert status != 422 or "not well chunked" in body(answer)["error"]
        assert wire.closed()
    assert mark(server, "BEGIN /smuggled") == seen


def test_limit_request_body_counts(start):
    server = start("streamed_body", "--stream-request-body", "--limit-request-body", "1000")
    with server.wire() as wire:
        wire.send(head("all", "length", 1001))
        assert wire.answer().status == 413 and "BEGIN /all" not in server.log
    for path, status in (("all", 413), ("catch", 422)):
        with server.wire() as wire:
            wire.send(head(path, "chunked", 0).encode() + part("chunked", b"x" * 1000))
            server.wait_log("BEGIN /" + path)
            wire.send(part("chunked", b"y") + end("chunked"))
            assert wire.answer().status == status
    assert "Traceback" not in server.log, "that is the client's fault, not the application's"


@pytest.mark.parametrize("threads", THREADS)
def test_a_slow_client_is_cut(start, threads):
    server = start("streamed_body", "--stream-request-body", "--body-timeout", "1", "--threads", threads)
    for path, status in (("all", 408), ("catch", 422)):
        with server.wire() as wire:
            wire.send(head(path, "length", 100)).send(b"some")
            answer = wire.answer()
            assert answer.status == status and answer.get("Connection") == "close"
            assert wire.closed()
    server.wait_log("BROKEN TimeoutError .*too slowly", count=2)
    assert "Traceback" not in server.log


@pytest.mark.not_green("it is about threads")
def test_a_slow_upload_holds_its_thread_only(start):
    server = start("streamed_body", "--stream-request-body", "--threads", "4")
    slow = [server.wire() for _ in range(3)]
    for wire in slow:
        wire.send(head("first", "length", 12)).send(b"first-")
    for n in range(20):
        assert server.get("/n%d" % n).status_code == 200
    for wire in slow:
        wire.send(b"second")
        assert body(wire.answer()) == {"body": "first-second"}
        wire.sock.close()


def test_a_sync_worker_whose_upload_goes_on_is_not_stuck(start):
    """--timeout is for workers that are stuck; only time can show that it is not counted here."""
    server = start("streamed_body", "--stream-request-body", "--timeout", "1")
    pids = server.worker_pids()
    with server.wire() as wire:
        wire.send(head("all", "length", 12_000))
        for _ in range(12):
            wire.send(b"x" * 1000)
            time.sleep(0.25)
        assert body(wire.answer()) == digest(b"x" * 12_000)
    assert server.worker_pids() == pids and "WORKER TIMEOUT" not in server.log


def test_a_signal_ends_an_upload_that_waits(start):
    """SIGQUIT ends the worker at once, whatever its client is at."""
    server = start("streamed_body", "--stream-request-body")
    with server.wire() as wire:
        wire.send(head("all", "length", 100)).send(b"some")
        server.wait_log("BEGIN /all")
        server.send_signal(signal.SIGQUIT)
        assert server.wait_end() == 0


def test_many_uploads_at_once(server):
    data = bytes(range(256)) * 2000

    def upload(n):
        framing = FRAMINGS[n % 2]
        with server.wire(timeout=60) as wire:
            for _ in range(3):
                wire.send(head("all", framing, len(data)))
                for at in range(0, len(data), 40_000):
                    wire.send(part(framing, data[at:at + 40_000]))
                wire.send(end(framing))
                assert body(wire.answer()) == digest(data)
        return True

    assert all(one() for one in [in_background(lambda n=n: upload(n)) for n in range(12)])
