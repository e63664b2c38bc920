"""--log-syslog: to every kind of address, in Gunicorn's shape, and without harm where nobody listens."""
import os
import re
import socket

import pytest

from listening import Listener

KINDS = {
    "udp": lambda here, _: "udp://127.0.0.1:%d" % here.port,
    "unix-dgram": lambda _, path: "unix://%s#dgram" % path,
    "unix-found-out": lambda _, path: "unix://%s" % path,
    "unix-stream": lambda _, path: "unix://%s" % path,
    "tcp": lambda here, _: "tcp://127.0.0.1:%d" % here.port,
}


@pytest.fixture(params=sorted(KINDS))
def syslog(request, tmp_path):
    path = tmp_path / "syslog"
    kind = "unix-dgram" if request.param == "unix-found-out" else request.param
    # Python ends a message over TCP in NUL, which servers do not take for an end: gosrv ends it in a newline.
    end = b"\n" if kind == "tcp" and os.environ["TEST_SERVER"] == "gosrv" else b"\0"
    with Listener(kind, path, end) as here:
        here.to = KINDS[request.param](here, path)
        yield here


def test_lines_reach_syslog(start, syslog):
    server = start("logging_lines", "--log-syslog", "--log-syslog-to", syslog.to, "--log-syslog-prefix", "shop", "--log-syslog-facility", "local3",
                   "--access-logfile", "-")
    worker, = server.worker_pids()
    server.get("/warn", headers={"User-Agent": "tester"})
    server.get("/boom")
    end = syslog.end
    local3 = 19 << 3
    assert syslog.wait("careful now") == b"<%d>gunicorn.shop.error: [%d] careful now" % (local3 | 4, worker) + end
    assert syslog.wait("Listening at") == b"<%d>gunicorn.shop.error: [%d] Listening at: http://127.0.0.1:%d (%d)" % (
        local3 | 6, server.pid, server.port, server.pid) + end
    assert syslog.wait("Error handling").startswith(b"<%d>gunicorn.shop.error: [%d] Error handling request GET /boom" % (local3 | 3, worker))
    access = syslog.wait("tester")
    assert re.fullmatch(rb'<%d>gunicorn\.shop\.access: \[%d\] 127\.0\.0\.1 - - \[[^]]+\] "GET /warn HTTP/1\.1" 200 2 "-" "tester"' % (local3 | 6, worker)
                        + re.escape(end), access), access
    server.wait_log(r"\[WARNING\] careful now$")  # and the error log still has it
    server.stop()
    syslog.wait("Shutting down: Master")
    syslog.wait("Worker exiting")


def test_the_prefix_is_the_servers_name_and_access_lines_may_stay_away(start, tmp_path):
    with Listener("unix-dgram", tmp_path / "syslog") as syslog:
        server = start("logging_lines", "--log-syslog", "--log-syslog-to", "unix://%s" % (tmp_path / "syslog"), "--name", "a:b",
                       "--disable-redirect-access-to-syslog")
        server.get("/warn")
        assert syslog.wait("careful now").startswith(b"<12>gunicorn.a.b.error: [")
        server.stop()
        syslog.wait("Shutting down")
        assert not any(b".access:" in one for one in syslog.all())


def test_access_lines_go_to_syslog_alone(start, tmp_path):
    with Listener("unix-dgram", tmp_path / "syslog") as syslog:
        server = start("logging_lines", "--log-syslog", "--log-syslog-to", "unix://%s" % (tmp_path / "syslog"))
        server.get("/alone")
        syslog.wait('"GET /alone HTTP/1.1" 200 2')
        assert server.out == ""


@pytest.mark.gosrv_only("Gunicorn does not start without it")
def test_a_server_that_comes_later_gets_what_has_waited(start):
    with Listener("tcp", end=b"\n", later=True) as syslog:
        server = start("logging_lines", "--log-syslog", "--log-syslog-to", "tcp://127.0.0.1:%d" % syslog.port)
        assert server.get("/early").text == "ok"
        server.wait_log(r"\[WARNING\] Syslog: no server answers: .*\. Lines wait for it, up to 1 MiB of them$")
        syslog.begin()
        for text in ("/early", "Listening at"):
            syslog.wait(text)


@pytest.mark.gosrv_only("Gunicorn's worker waits for it")
def test_a_syslog_server_that_does_not_read_costs_no_answer(start):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        server = start("logging_lines", "--log-syslog", "--log-syslog-to", "tcp://127.0.0.1:%d" % deaf.getsockname()[1], "--access-logformat",
                       "%({x-long}i)s" * 40)
        with server.wire() as wire:
            for _ in range(1500):  # 9 MB: more than the sockets and the queue hold
                assert wire.get("/", "X-Long: " + "x" * 150).body == b"ok"
