"""Requests that repeat a header block get the environ that a fresh one would get, whatever the application did to
the last one."""
import json

import pytest

import harness

pytestmark = pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")

BLOCK = ("User-Agent: tester", "Accept: */*", "X-Twice: 1", "X-Twice: 2", "Cookie: a=b")


@pytest.fixture(scope="module", params=[(), ("--threads", "3", *harness.KEPT), ("--no-environ-memo",)], ids=["one thread", "threads", "no memo"])
def server(request, start_shared):
    return start_shared(*request.param, "changes_environ")


def ask(wire, target, *headers):
    answer = wire.get(target, *headers)
    assert answer.status == 200
    return json.loads(answer.body)


@pytest.mark.parametrize("query", ["", "keep", "clear"])
def test_a_repeated_block_gives_a_fresh_environ(server, query):
    target = "/path?" + query if query else "/path"
    with server.wire() as wire:
        first = ask(wire, target, *BLOCK)
        assert first["HTTP_HOST"] == "test" and first["HTTP_X_TWICE"] == "1,2" and first["PATH_INFO"] == "/path"
        assert "HTTP_X_ADDED" not in first
        for _ in range(20):
            assert ask(wire, target, *BLOCK) == first


def test_the_request_line_is_each_requests_own(server):
    with server.wire() as wire:
        for n in range(10):
            got = ask(wire, "/%d?q=%d" % (n, n), *BLOCK)
            assert (got["PATH_INFO"], got["QUERY_STRING"], got["RAW_URI"]) == ("/%d" % n, "q=%d" % n, "/%d?q=%d" % (n, n))


def test_another_block_in_between_is_not_mixed_up(server):
    other = BLOCK[:-1] + ("Cookie: c=d",)
    with server.wire() as one, server.wire() as two:
        for _ in range(6):
            assert ask(one, "/", *BLOCK)["HTTP_COOKIE"] == "a=b"
            assert ask(two, "/", *other)["HTTP_COOKIE"] == "c=d"
            assert ask(one, "/", *other)["HTTP_COOKIE"] == "c=d"
            assert "HTTP_COOKIE" not in ask(two, "/", *BLOCK[:-1])


def test_the_peer_is_each_connections_own(server):
    with server.wire() as one, server.wire() as two:
        ports = {ask(w, "/", *BLOCK)["REMOTE_PORT"] for _ in range(5) for w in (one, two)}
    assert len(ports) == 2
