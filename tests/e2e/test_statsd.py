"""Metrics for statsd: Gunicorn's names, over UDP and unix sockets."""
import re

import pytest

import harness
from listening import Listener
from waiting import wait_for
from wire import once


def metrics(listener):
    """Every metric so far, in order, without regard to datagrams."""
    return [line for data in listener.all() for line in data.decode().split("\n")]


def all_metrics(listener):
    """Every metric that was sent: what a server that has ended has left in the socket is read first."""
    listener.catch_up()
    return metrics(listener)


def wait_metrics(listener, *patterns):
    def look():
        found = metrics(listener)
        return found if all(any(re.fullmatch(p, one) for one in found) for p in patterns) else None

    return wait_for(look, lambda: "%s among %s" % (patterns, metrics(listener)))


@pytest.fixture(params=["udp", "unix-dgram"])
def statsd(request, tmp_path):
    with Listener(request.param, tmp_path / "statsd") as here:
        here.to = "127.0.0.1:%d" % here.port if here.port else "unix://%s" % (tmp_path / "statsd")
        yield here


def test_requests_and_lines_are_counted(start, statsd):
    server = start("logging_lines", "--statsd-host", statsd.to, "--statsd-prefix", "shop.web", "--workers", "2")
    for _ in range(3):
        server.get("/")
    server.get("/boom")
    once(server.address, b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    found = wait_metrics(
        statsd, r"shop\.web\.gunicorn\.workers:2\|g", r"shop\.web\.gunicorn\.request\.status\.200:1\|c\|@1\.0", r"shop\.web\.gunicorn\.requests:1\|c\|@1\.0",
        r"shop\.web\.gunicorn\.request\.duration:\d+(\.\d+)?\|ms", r"shop\.web\.gunicorn\.request\.status\.500:1\|c\|@1\.0",
        r"shop\.web\.gunicorn\.request\.status\.400:1\|c\|@1\.0", r"shop\.web\.gunicorn\.log\.exception:1\|c\|@1\.0",
        r"shop\.web\.gunicorn\.log\.warning:1\|c\|@1\.0",
    )
    wait_for(lambda: len([m for m in metrics(statsd) if m.startswith("shop.web.gunicorn.requests:")]) >= 5, "five requests")
    assert all(m.startswith("shop.web.gunicorn.") for m in found)
    assert server.out == "" or harness.kind() == "gunicorn"  # no access log comes with it


def test_the_count_of_requests_is_exact(start, statsd):
    server = start("hello", "--statsd-host", statsd.to, ready=None)
    for _ in range(41):
        assert server.get().status_code == 200
    server.stop()
    found = all_metrics(statsd)
    assert found.count("gunicorn.requests:1|c|@1.0") == found.count("gunicorn.request.status.200:1|c|@1.0") == 41
    assert len([m for m in found if m.startswith("gunicorn.request.duration:")]) == 41


def test_tags_for_dogstatsd(start, statsd):
    start("hello", "--statsd-host", statsd.to, "--dogstatsd-tags", "env:test,team:web")
    wait_metrics(statsd, r"gunicorn\.requests:1\|c\|@1\.0\|#env:test,team:web", r"gunicorn\.workers:1\|g\|#env:test,team:web")


def test_hooks_send_metrics_by_the_log(start, statsd, tmp_path):
    (tmp_path / "conf.py").write_text('''
def post_worker_init(worker):
    for kind, value in (("gauge", 1), ("counter", 2), ("histogram", 3), ("timer", 4), ("none", 5)):
        worker.log.info("", extra={"metric": "own." + kind, "value": value, "mtype": kind})
    worker.log.info("with a text", extra={"metric": "own.text", "value": 6, "mtype": "gauge"})
    worker.log.increment("own.direct", 7)
''')
    server = start("hello", "-c", tmp_path / "conf.py", "--statsd-host", statsd.to)
    found = wait_metrics(statsd, r"own\.gauge:1\|g", r"own\.counter:2\|c\|@1\.0", r"own\.histogram:3\|h", r"own\.timer:4\|ms", r"own\.text:6\|g",
                         r"own\.direct:7\|c\|@1\.0")
    assert not any("own.none" in one for one in found)
    server.wait_log(r"\[INFO\] with a text$")
    assert not re.search(r"\[INFO\] $", server.log, re.M)


def test_the_backlog(start, statsd):
    start("hello", "--statsd-host", statsd.to, "--enable-backlog-metric")
    wait_metrics(statsd, r"gunicorn\.backlog:\d+\|h")


def test_nobody_listens(start, tmp_path):
    for where in ("127.0.0.1:9", "unix://%s" % (tmp_path / "nobody")):
        server = start("logging_lines", "--statsd-host", where)
        for _ in range(5):
            assert server.get("/warn").text == "ok"


@pytest.mark.parametrize("base", ["gunicorn.instrument.statsd.Statsd", pytest.param("stand-in", marks=pytest.mark.gosrv_only("its stand-in"))])
def test_a_subclass_measures_once(start, statsd, tmp_path, base):
    (tmp_path / "conf.py").write_text('''
from gunicorn.instrument.statsd import Statsd


class Own(Statsd):
    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        self.gauge("own.sent", resp.sent)


logger_class = Own
''')
    env = {"PYTHONPATH": str(harness.ROOT / "pyshim" / "standin")} if base == "stand-in" else {}
    server = start("logging_lines", "-c", tmp_path / "conf.py", "--statsd-host", statsd.to, env=env, balance=False)
    server.get("/pieces")
    wait_metrics(statsd, r"own\.sent:2\|g")
    wait_for(lambda: metrics(statsd).count("own.sent:2|g") >= 2, "two requests")
    server.stop()
    assert all_metrics(statsd).count("gunicorn.requests:1|c|@1.0") == 2


@pytest.mark.gosrv_only("Gunicorn measures no more than that")
def test_extended_says_what_requests_waited_for(start, statsd):
    server = start("sleeping", "--statsd-host", statsd.to, "--statsd-prefix", "shop", "--dogstatsd-tags", "env:test", "--statsd-extended", "--workers", "1")
    server.get("/sleep?s=0.1")
    once(server.address, b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    found = wait_metrics(
        statsd, r"shop\.gosrv\.request\.application:1\d\d(\.\d+)?\|ms\|#env:test", r"shop\.gosrv\.request\.queue:\d+(\.\d+)?\|ms\|#env:test",
        r"shop\.gosrv\.request\.whole:1\d\d(\.\d+)?\|ms\|#env:test", r"shop\.gosrv\.refused\.head:1\|c\|#env:test", r"shop\.gosrv\.threads:1(000)?\|g\|#env:test",
        r"shop\.gosrv\.capacity\.used_percent:\d+\|g\|#env:test", r"shop\.gunicorn\.requests:1\|c\|@1\.0\|#env:test", r"shop\.gosrv\.workers\.rss:\d{7,}\|g\|#env:test",
    )
    whole = [m for m in found if m.startswith("shop.gosrv.request.whole:")]
    assert len(whole) == 2, "one of each request that the application answered"


@pytest.mark.gosrv_only("of its own settings")
def test_extended_without_measures_is_refused(statsd):
    done = harness.run_once("hello", "--statsd-host", statsd.to, "--statsd-extended", "--no-metrics")
    assert done.returncode == 1 and "no_metrics measures nothing" in done.stderr


def test_nothing_more_than_gunicorn_without_it(start, statsd):
    server = start("hello", "--statsd-host", statsd.to)
    server.get()
    found = wait_metrics(statsd, r"gunicorn\.requests:1\|c\|@1\.0")
    assert all(m.startswith("gunicorn.") for m in found)
