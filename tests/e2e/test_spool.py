"""Where large request bodies lie: the first directory in which the worker may write, as Python's tempfile finds it, or memory."""
import hashlib
import os
import signal
import threading

import pytest

import harness
import mounts

pytestmark = pytest.mark.gosrv_only("Gunicorn keeps no request bodies")

SPOOLED = (16 << 20) + 5
ROOM = 128 << 20
# Beside /tmp and /var/tmp the working directory is asked; the server's own is in the sources.
NOWHERE = mounts.under(
    mounts.read_only("/tmp"), mounts.read_only("/var/tmp"), "if [ -d /usr/tmp ]; then %s; fi" % mounts.read_only("/usr/tmp"),
    'cd "$PWD"', mounts.read_only("."), 'cd "$PWD"')


def arrives(server, size=SPOOLED):
    """A body of so many bytes is answered whole."""
    body = os.urandom(1 << 20) * (size >> 20) + b"x" * (size % (1 << 20))
    seen = server.post("/read?size=65536", data=body).json()
    assert (seen["length"], seen["sha256"]) == (size, hashlib.sha256(body).hexdigest())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give its rights up")
@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "tmp_upload_dir"])
def test_a_folder_that_the_workers_user_may_not_write(start, tmp_path, name):
    """Root may write everywhere: who tries must be who will write."""
    folder = tmp_path / "roots"
    folder.mkdir(0o700)
    (tmp_path / "conf.py").write_text("tmp_upload_dir = %r\n" % str(folder) if name == "tmp_upload_dir" else "")
    env = {"TMPDIR": None, "TEMP": None, "TMP": None}
    if name in env:
        env[name] = folder
    server = start("read_body", "--preload", "-w", "2", "--user", "65534", "--group", "65534", "-c", tmp_path / "conf.py", env=env)
    server.wait_workers(2)
    arrives(server)
    [line] = server.wait_log(r"\[WARNING\] Large request bodies go to .*")
    assert line[0] == "[WARNING] Large request bodies go to /tmp; refused to user 65534: %s (%s): permission denied" % (folder, name)
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert server.log.count("Large request bodies") == 1, "two workers say the same"


def test_a_folder_that_raw_env_names(start, tmp_path):
    """The variable counts as the application sees it."""
    server = start("read_body", "--env", "TMPDIR=%s/absent" % tmp_path)
    server.wait_log(r"go to /tmp; refused to user \d+: %s/absent \(TMPDIR\): no such file or directory" % tmp_path)


@mounts.needed
def test_no_folder_at_all(start):
    server = start("read_body", env={"TMPDIR": None, "TEMP": None, "TMP": None}, program=NOWHERE + harness.command())
    [line] = server.wait_log(r"\[WARNING\] No directory takes large request bodies, as user \d+: .*")
    assert "/tmp: read-only file system; /var/tmp: read-only" in line[0] and "at most 128 MiB a worker: set tmp_upload_dir or TMPDIR" in line[0]
    arrives(server)
    arrives(server, ROOM)
    with server.wire() as wire:
        wire.send("POST /read HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % (ROOM + 1))
        assert wire.answer().status == 413
    server.wait_log(r"\[ERROR\] No place for a request body of %d bytes, 0 of which are here, in memory: larger than all" % (ROOM + 1))
    with server.wire() as first, server.wire() as second:
        first.send("POST /read HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % ROOM)
        assert first.answer().status == 100
        second.send("POST /read HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % SPOOLED)
        assert second.answer().status == 503
    server.wait_log(r"\[ERROR\] No place for a request body of %d bytes, .* in memory: other bodies fill" % SPOOLED)
    arrives(server)


def feed(wire, piece):
    """40 MiB, or as much as is taken."""
    try:
        for _ in range(40):
            wire.send(piece)
    except OSError:
        pass


@mounts.needed
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_full_disk(start, tmp_path, framing):
    """The upload is refused, the server serves on, and the next one that fits is taken."""
    server = start("read_body", env={"TMPDIR": tmp_path}, program=mounts.under(mounts.small(tmp_path, "24m")) + harness.command())
    with server.wire() as wire:
        wire.send("POST /read HTTP/1.1\r\nHost: t\r\n" + ("Content-Length: %d\r\n\r\n" % (40 << 20) if framing == "length" else "Transfer-Encoding: chunked\r\n\r\n"))
        feeder = threading.Thread(target=feed, args=(wire, bytes(1 << 20) if framing == "length" else b"100000\r\n%s\r\n" % bytes(1 << 20)))
        feeder.start()
        assert wire.answer().status == 503
    feeder.join()
    server.wait_log(r"\[ERROR\] No place for a request body of .* in %s: no space left on device" % tmp_path)
    arrives(server)
    server.get("/")
