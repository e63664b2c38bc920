"""What a worker holds comes back when it is not needed any more."""
import os
import re
import textwrap
from pathlib import Path

import pytest

from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn reads a body when the application does"),
    pytest.mark.not_green("memory of the sync worker is what it is about"),
]
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


# An import that leaves a hole beside every block, and a look at what malloc has free when workers are about to be forked.
HOLES = {
    "holes.py": """
        blocks = [bytes(3000) for _ in range(1000)]
        del blocks[::2]

        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"ok"]
    """,
    "gunicorn.conf.py": """
        import ctypes

        names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

        class Counts(ctypes.Structure):
            _fields_ = [(name, ctypes.c_size_t) for name in names]

        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = Counts

        def when_ready(server):
            counts = mallinfo()
            server.log.info("free between blocks: %d", counts.fordblks - counts.keepcost)
    """,
}


def test_workers_find_no_holes_on_the_pages_that_they_share(start, tmp_path):
    for name, text in HOLES.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    server = start("holes:app", "--preload", cwd=tmp_path)
    free = int(server.log.partition("free between blocks: ")[2].split()[0])
    assert server.get().text == "ok"
    assert free < 200_000  # the import left 1.5 MB


@pytest.mark.parametrize("threads", [1, 2])
def test_the_memory_of_large_uploads_is_given_back(start, threads):
    """Bodies of some MiB lie in Python's memory, which is used again and again and then returned."""
    server = start("large_body", "--threads", str(threads))
    worker = server.worker_pids()[0]
    before = resident(worker)
    body = bytes(12 * MIB)
    for _ in range(2):
        with server.wire() as first, server.wire() as second:
            for wire in (first, second):
                wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Script: [65536]\r\nContent-Length: %d\r\n\r\n" % len(body)).send(body[:-1])
            for wire in (first, second):
                wire.send(b"x")
                assert wire.answer("POST").status == 200
        wait_for(lambda: resident(worker) < before + 8 * MIB, lambda: "%d MiB more than before" % ((resident(worker) - before) // MIB))


@pytest.mark.skipif("GORACE" in os.environ, reason="the race detector keeps memory of its own")
def test_two_hundred_slow_uploads_hold_no_more_than_their_share(start, tmp_path):
    """What does not fit into the memory for bodies goes to files."""
    (tmp_path / "conf.py").write_text("tmp_upload_dir = %r\n" % str(tmp_path))
    server = start("hello", "-c", tmp_path / "conf.py")
    worker = server.worker_pids()[0]
    before = resident(worker)
    part = bytes(MIB + MIB // 2)
    wires = [server.wire() for _ in range(200)]
    try:
        for wire in wires:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (3 * MIB)).send(part)
        with server.wire() as wire:
            assert wire.get("/").status == 200
        most = resident(worker) - before
        for wire in wires[::20]:
            wire.send(part)
            assert wire.answer("POST").status == 200
        most = max(most, resident(worker) - before)
        print("%d MiB more than before" % (most // MIB))
        assert most < 100 * MIB
    finally:
        for wire in wires:
            wire.sock.close()


# An application with a library that runs at its start only, and another one whose code it has patched.
LIBRARIES = """
    import ctypes
    import mmap
    import re

    def code(name):
        with open("/proc/self/maps") as maps:
            return next(int(line.partition("-")[0], 16) for line in maps if re.search(r" r-xp .*/%s[.-]" % name, line))

    ctypes.CDLL("libanl.so.1")
    ctypes.CDLL("libresolv.so.2")
    begin = code("libresolv")
    libc = ctypes.CDLL(None)
    assert libc.mprotect(ctypes.c_void_p(begin), ctypes.c_size_t(mmap.PAGESIZE), 7) == 0
    patched = ctypes.c_ubyte.from_address(begin + mmap.PAGESIZE - 1)
    patched.value = expected = patched.value ^ 0xFF
    assert libc.mprotect(ctypes.c_void_p(begin), ctypes.c_size_t(mmap.PAGESIZE), 5) == 0
    address = code("libanl")
    ctypes.c_ubyte.from_address(address).value  # as if it had run: its page is mapped

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"%d %d" % (patched.value, expected)]
"""


def mapped_code(pid, name):
    """How many KiB of a library's code a process has mapped."""
    with open("/proc/%d/smaps" % pid) as f:
        part = re.search(r"^\S+ r-xp [^\n]*/%s[.-].*?^Rss: +(\d+) kB" % name, f.read(), re.M | re.S)
    return int(part.group(1)) if part else None


@pytest.mark.parametrize("options", [[], ["--threads", "2"], ["--preload"]], ids=["worker", "threads", "preload"])
def test_code_of_the_start_is_unmapped_when_it_is_over(start, tmp_path, options):
    (tmp_path / "libraries.py").write_text(textwrap.dedent(LIBRARIES))
    server = start("libraries:app", *options, cwd=tmp_path)
    loads = server.zygotes()[-1].pid if "--preload" in options else server.worker_pids()[0]
    wait_for(lambda: mapped_code(loads, "libanl") == 0, lambda: "%s KiB are mapped" % mapped_code(loads, "libanl"))
    assert mapped_code(loads, "libresolv") > 0  # it has a page that is not the file's
    found, expected = server.get().text.split()
    assert found == expected


def share_of_code(pid):
    """How much of the server's own code a process has mapped, from 0 to 1."""
    program = os.readlink("/proc/%d/exe" % pid)
    found = re.findall(r"^\S+ r-xp [^\n]*%s\nSize: +(\d+) kB.*?^Rss: +(\d+) kB" % re.escape(program), Path("/proc/%d/smaps" % pid).read_text(), re.M | re.S)
    return sum(int(rss) for _, rss in found) / sum(int(size) for size, _ in found)


def test_a_process_maps_of_the_program_what_it_works_with(start):
    """Not the whole folios of the page cache in which that lies, which a new kernel maps with a page."""
    server = start("hello:app")
    worker = server.worker_pids()[0]
    wait_for(lambda: share_of_code(worker) < 0.5, lambda: "%.2f of it is mapped" % share_of_code(worker))  # the start's is unmapped
    for _ in range(20):
        server.get()
    assert share_of_code(worker) < 0.6
