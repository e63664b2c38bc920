"""wsgi.file_wrapper: files leave by themselves, in the right part and length; what only looks like a file is read."""
import hashlib
import os

import pytest

import harness
from waiting import wait_for
from wire import Closed, Wire

MB = 1 << 20
SPARSE = 2 << 30


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("files") / "file"
    found.write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(100_000)))
    return found


@pytest.fixture(scope="module")
def content(path):
    return path.read_bytes()


@pytest.fixture(scope="module", params=[(), ("--threads", "2", *harness.KEPT), ("--no-sendfile",)], ids=["sync", "threads", "no-sendfile"])
def server(start_shared, path, request):
    found = start_shared("file_kinds", *request.param, env={"FILE": path})
    yield found
    all_closed(found)


def all_closed(server):
    wait_for(lambda: server.get("/closed").text == "0", "every wrapped file is closed")


@pytest.mark.parametrize("query, start, end", [
    ("", 0, None), ("?offset=1000", 1000, None), ("?offset=1000&length=5000", 1000, 6000), ("?offset=3199999", 3199999, None),
    ("?length=0", 0, 0), ("?offset=3200000", 3200000, None), ("?offset=9999999", 9999999, None), ("?block=1&offset=3190000", 3190000, None),
    ("?offset=100&length=3199900", 100, None), ("?iterate=1&offset=7", 7, None),
])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_offset_and_length(server, content, query, start, end, version):
    wanted = content[start:end]
    with server.wire() as wire:
        answer = wire.get("/file" + query, version=version)
        assert answer.status == 200 and answer.body == wanted
        if "length" in query:
            assert answer.get("Content-Length") == str(len(wanted))
        if version == "HTTP/1.1" and harness.kind() == "gosrv":
            assert wire.get("/closed").status == 200, "the connection goes on behind a file"


@pytest.mark.parametrize(
    "kind, body",
    [
        ("memory", bytes(range(256)) * 100),
        ("onlyread", b"only read"),
        pytest.param("pipe", b"through a pipe", marks=pytest.mark.not_green("the file is read without giving way, in Gunicorn too")),
        pytest.param("socket", b"through a socket", marks=pytest.mark.not_green("the file is read without giving way, in Gunicorn too")),
        ("written", b"not on disk yet"),
        ("tempfile", b"3456789"),
        ("named", b"3456789"),
        ("spooled", b"3456789"),
        ("unbuffered", None),
        ("empty", b""),
    ],
)
def test_everything_else_that_can_be_read(server, content, kind, body):
    with server.wire() as wire:
        assert wire.get("/" + kind).body == (content[10:] if body is None else body)


@pytest.mark.gosrv_only("Gunicorn sends what the descriptor has, from where the descriptor is")
@pytest.mark.parametrize("kind, body", [("gzip", b"was compressed " * 1000), ("lies", b"only read"), ("buffered", None)])
def test_what_the_file_object_says_counts(server, content, kind, body):
    """Not its descriptor: that may be elsewhere in the file, or speak of other bytes."""
    with server.wire() as wire:
        assert wire.get("/" + kind).body == (content[10:] if body is None else body)


def test_a_file_of_no_size_is_read(server):
    """/proc has regular files of size 0 that are not empty."""
    if harness.kind() == "gunicorn":
        return
    assert b"Pid:" in server.get("/proc").content


@pytest.mark.gosrv_only("Gunicorn uses sendfile for devices, too")
def test_an_endless_device_is_cut_at_the_length(server):
    with server.wire() as wire:
        assert wire.get("/zero?length=100000", "Connection: close").body == bytes(100000)


@pytest.mark.gosrv_only("without sendfile Gunicorn writes bodies to HEAD")
@pytest.mark.parametrize("method, query, length", [
    ("HEAD", "?length=100", "100"), ("HEAD", "", None), ("GET", "?status=304&length=100", "100"), ("GET", "?status=204", None)])
def test_answers_without_a_body(server, method, query, length):
    with server.wire() as wire:
        answer = wire.get("/file" + query, "Connection: close", method=method)
        assert answer.get("Content-Length") in (length, "3200000" if method == "HEAD" else length)
        assert wire.rest() == b""


def test_a_file_shorter_than_its_length_closes_the_connection(server, content, request):
    if harness.kind() == "gunicorn" and "threads" in request.node.name:
        return  # it keeps the connection, and the client waits for the rest
    with server.wire() as wire, pytest.raises(Closed) as cut:
        wire.get("/file?offset=3199000&length=5000")
    assert cut.value.got == content[3199000:]


def test_a_client_that_leaves_in_the_middle(server):
    for _ in range(5):
        with server.wire() as wire:
            wire.send("GET /file HTTP/1.1\r\nHost: t\r\n\r\n")
            wire.more()
    all_closed(server)


def test_a_client_that_reads_slowly(server, content):
    with server.wire() as wire:
        wire.send("GET /file HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        got = bytearray()
        while True:
            data = wire.sock.recv(5000)
            if not data:
                break
            got += data
    assert body_of(bytes(got)) == content


def body_of(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return body
    plain = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        plain, body = plain + body[:int(size, 16)], body[int(size, 16) + 2:]
    return plain


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) * 1024


@pytest.fixture(scope="module")
def large(start_shared, tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "sparse"
    with open(path, "wb") as f:
        os.truncate(f.fileno(), SPARSE)
        f.seek(SPARSE - 4)
        f.write(b"last")
    return start_shared("file_kinds", env={"FILE": path})


class TestTwoGigabytes:
    """A sparse file: nothing on the disk, and nothing in the worker's memory."""

    def test_the_length_is_known_and_memory_does_not_grow(self, large):
        worker = large.worker_pids()[0]
        before = resident(worker)
        buffer = bytearray(MB)
        with Wire(large.address, 30) as wire:
            wire.send("GET /file?length=%d HTTP/1.1\r\nHost: t\r\n\r\n" % SPARSE)
            wire.until(b"\r\n\r\n")
            size = len(wire.kept)
            while size < 300 * MB:
                size += wire.sock.recv_into(buffer)
        assert resident(worker) - before < 16 * MB

    def test_its_end(self, large):
        with large.wire() as wire:
            answer = wire.get("/file?offset=%d" % (SPARSE - 5000))
            assert len(answer.body) == 5000 and answer.body.endswith(b"\0last")

    def test_head_of_it(self, large):
        with large.wire() as wire:
            answer = wire.get("/file?length=%d" % SPARSE, "Connection: close", method="HEAD")
            assert answer.get("Content-Length") == str(SPARSE)
            assert wire.rest() == b""
