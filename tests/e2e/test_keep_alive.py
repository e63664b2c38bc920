"""How long a connection is kept, what is said about it, and how it ends."""
import re

import pytest

pytestmark = pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")


def said(server, version="HTTP/1.1", *headers):
    with server.wire() as wire:
        return wire.get("/", *headers, version=version).get("Keep-Alive")


@pytest.mark.not_green("these classes have Gunicorn's 2 seconds")
def test_sync_without_the_setting_outlives_a_balancer(start):
    """A balancer with an idle time-out of 60 s must be the one that closes."""
    assert said(start("hello")) == "timeout=75"


@pytest.mark.parametrize("seconds", [1, 5, 120])
@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_the_setting_means_what_it_says(start, seconds, args):
    server = start("hello", "--keep-alive", seconds, *args)
    assert said(server) == "timeout=%d" % seconds


@pytest.mark.not_green("it is about threads")
def test_gthread_without_the_setting_is_as_gunicorns(start):
    assert said(start("hello", "--threads", "2")) == "timeout=2"


def test_clients_that_cannot_use_it_are_not_told(start):
    server = start("hello")
    assert said(server, "HTTP/1.0") is None
    assert said(server, "HTTP/1.1", "Connection: close") is None
    assert re.fullmatch(r"timeout=\d+", said(server, "HTTP/1.0", "Connection: keep-alive"))


def test_zero_closes_always(start):
    server = start("hello", "--keep-alive", "0")
    with server.wire() as wire:
        answer = wire.get("/")
        assert answer.get("Connection") == "close" and answer.get("Keep-Alive") is None
        assert wire.closed()


def test_it_ends_with_a_fin_and_not_with_a_reset(start):
    server = start("hello", "--keep-alive", "1")
    with server.wire() as wire:
        assert wire.get("/").status == 200
        assert wire.sock.recv(100) == b""
        wire.send("GET / HTTP/1.1\r\n")  # too late, and yet no error: the server lingers
        assert wire.sock.recv(100) == b""
