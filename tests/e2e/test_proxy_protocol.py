"""The PROXY protocol: who the client is, as a load balancer says it before the first request."""
import json
import socket
import struct

import pytest

import harness
from feeding import bytewise, feed

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
GET = b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


def v2(source="192.0.2.7", target="198.51.100.1", ports=(4711, 443), command=1, kind=0x11, tlv=b"", family=socket.AF_INET):
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, target) + struct.pack("!HH", *ports) if source else b""
    body = addresses + tlv
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack("!H", len(body)) + body


V6 = dict(source="2001:db8::7", target="2001:db8::1", kind=0x21, family=socket.AF_INET6)


@pytest.fixture(scope="module")
def servers(start_shared):
    made = {}

    def get(*args):
        if args not in made:
            made[args] = start_shared("echo_request", *args, *harness.patient(), bind=["127.0.0.1:0", "unix:DIR/app.sock"], log_level="info", ready="/")
        return made[args]

    return get


AUTO = ("--proxy-protocol", "auto")


@pytest.mark.parametrize("mode, header, peer", [
    ("auto", V1, ["192.0.2.7", "4711"]), ("v1", V1, ["192.0.2.7", "4711"]), ("auto", v2(), ["192.0.2.7", "4711"]), ("v2", v2(), ["192.0.2.7", "4711"]),
    ("auto", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", ["2001:db8::7", "4711"]), ("v2", v2(**V6), ["2001:db8::7", "4711"]),
    ("v2", v2(tlv=b"\x04\x00\x03abc"), ["192.0.2.7", "4711"]), ("v2", v2(tlv=b"\x03\x00\x04\x00\x00\x00\x00" + b"\x04\x01\x00" + bytes(256)), ["192.0.2.7", "4711"]),
])
@pytest.mark.parametrize("way", ["whole", "bytewise"])
def test_the_client_is_who_the_header_says(servers, mode, header, peer, way):
    server = servers("--proxy-protocol", mode)
    raw = header + GET
    got = feed(server.addresses[1], [raw] if way == "whole" else bytewise(raw))
    assert [one["peer"] for one in got.seen] == [peer]
    assert got.seen[0]["target"] == "/x" and got.seen[0]["server"][0] == "t"


@pytest.mark.gosrv_only("Gunicorn's sync worker closes after each answer")
def test_it_holds_for_all_requests_of_the_connection(servers):
    with servers(*AUTO).wire() as wire:
        wire.send(V1 + GET)
        first = json.loads(wire.answer().body)
        second = json.loads(wire.get("/second").body)
    assert first["peer"] == second["peer"] == ["192.0.2.7", "4711"]


@pytest.mark.gosrv_only("Gunicorn refuses UNKNOWN, and has no address for LOCAL")
@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", v2(source="", command=0, kind=0), v2(command=0), v2(source="", kind=0),
])
def test_headers_that_name_nobody_leave_the_real_peer(servers, header):
    got = feed(servers(*AUTO).address, [header + GET])
    assert got.seen[0]["peer"][0] == "127.0.0.1" and got.seen[0]["peer"][1].isdigit()


def test_without_a_header_it_is_plain_http(servers):
    assert feed(servers(*AUTO).address, [GET]).seen[0]["peer"][0] == "127.0.0.1"


WRONG = {
    "off": (("--proxy-protocol", "off"), V1), "none": ((), V1), "v2 to v1": (("--proxy-protocol", "v1"), v2()), "v1 to v2": (("--proxy-protocol", "v2"), V1),
    "too long": (AUTO, b"PROXY TCP4 " + b"1" * 200 + b"\r\n"), "one token less": (AUTO, b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n"),
    "one token more": (AUTO, b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 5\r\n"), "bad address": (AUTO, b"PROXY TCP4 192.0.2.777 198.51.100.1 4711 443\r\n"),
    "other family": (AUTO, b"PROXY TCP4 2001:db8::7 198.51.100.1 4711 443\r\n"), "bad port": (AUTO, b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n"),
    "bare lf": (AUTO, b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n"), "udp": (AUTO, b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n"),
    "v2 version 1": (AUTO, SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12)), "v2 command 2": (AUTO, v2(command=2)), "v2 too short": (AUTO, SIGNATURE + b"\x21\x11\x00\x04" + bytes(4)),
    "v2 datagram": (AUTO, v2(kind=0x12)), "twice": (AUTO, V1 + V1), "v1 and v2": (AUTO, V1 + v2()),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_wrong_headers_are_refused(servers, what):
    args, header = WRONG[what]
    got = feed(servers(*args).address, [header + GET + GET])
    assert got.seen == [] and (not got.answers or got.statuses[0] >= 400)


@pytest.mark.gosrv_only("Gunicorn takes it for a request there, too, with another status")
def test_only_before_the_first_request(servers):
    got = feed(servers(*AUTO).address, [V1 + GET + V1 + GET])
    assert got.statuses == [200, 400]


@pytest.mark.parametrize("header", [V1, v2()], ids=["v1", "v2"])
def test_a_peer_that_may_not(servers, header):
    server = servers(*AUTO, "--proxy-allow-from", "10.0.0.1")
    assert feed(server.address, [header + GET]).statuses == [403]
    assert feed(server.address, [GET]).statuses == [200]


def test_the_client_named_is_not_trusted_for_that(servers):
    """Trust is the balancer's: a header of the client it names changes nothing that the balancer may not."""
    server = servers(*AUTO, "--forwarded-allow-ips", "192.0.2.7")
    raw = V1 + b"GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-Proto: https\r\n\r\n"
    assert feed(server.address, [raw]).seen[0]["scheme"] == "http"
