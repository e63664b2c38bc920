"""The three conformance sets over sockets: whole, byte by byte, cut anywhere, with something behind them."""
import copy
import re
from urllib.parse import urlsplit

import pytest

import corpora
import harness
from feeding import bytewise, feed, halves

FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n"
SMUGGLED = b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: f\r\n\r\n"
JUNK = b"\x00junk\r\n\r\n" * 20
SMALL = 160  # bytes; a case up to this size is cut at every offset
CASES = corpora.cases()
GOSRV = pytest.mark.gosrv_only("Gunicorn accepts some of them, and its sync worker closes after each answer")
each = pytest.mark.parametrize("case", CASES, ids=[re.sub(r"[^\w./-]+", "_", case.name) for case in CASES])
# What Gunicorn 27.0.1 answers 200 all the same.
GUNICORN_ACCEPTS = {
    "valid/rfc9112_target_authority_ipv6_01", "CONNECT request with CAPS", "COMP-HOST-WITH-USERINFO", "COMP-HOST-WITH-PATH",
    "COMP-POST-CL-UNDERSEND", "MAL-POST-CL-HUGE-NO-BODY",
}


def flags(settings):
    """Settings as a command line."""
    found = []
    for name, value in settings:
        if name in corpora.LENIENT and harness.kind() == "gunicorn":
            continue
        found.append("--" + name.replace("_", "-").replace("field-size", "field_size"))
        if value is not True:
            found.append(value)
    return found


@pytest.fixture(scope="module")
def server_for(start_shared):
    """One server for each group of settings, on TCP and on a unix socket."""
    servers = {}

    def get(case):
        if case.settings not in servers:
            servers[case.settings] = start_shared(
                "echo_request", *flags(case.settings), *harness.patient(), bind=["127.0.0.1:0", "unix:DIR/app.sock"], log_level="info", ready=None)
        return servers[case.settings]

    return get


@pytest.fixture
def tcp(server_for, case):
    return server_for(case).addresses[0]


@pytest.fixture
def unix(server_for, case):
    return server_for(case).addresses[1]


def expected(case):
    """The requests that the application must see; an absolute target outranks the Host header, and Proxy is dropped."""
    wanted = copy.deepcopy(case.requests)
    for one in wanted:
        authority = urlsplit(one["target"]).netloc if "://" in one["target"].split("?")[0] else ""
        if authority:
            one["headers"]["HTTP_HOST"] = authority
        one["headers"].pop("HTTP_PROXY", None)
    return wanted


def shown(one):
    return {key: one[key] for key in ("method", "target", "version", "headers", "body")}


@each
def test_case(case, tcp):
    """Refused is refused, accepted is seen exactly."""
    got = feed(tcp, [case.raw])
    assert got.rest == b"", got
    if harness.kind() == "gunicorn" and case.name in GUNICORN_ACCEPTS:
        assert got.answers
    elif case.verdict == "reject":
        refused(case, got)
    elif case.verdict == "either":
        assert set(got.statuses) <= {200} or got.refused, got
    elif case.requests:
        accepted(case, got)
    else:
        assert set(got.statuses) <= {200} or got.refused and case.unfinished, got


def refused(case, got):
    """Not answered 2xx: requests before the bad one, which the set knows of, are."""
    before = len(case.requests or [])
    assert got.statuses.count(200) <= before and got.refused, got
    if before == 0:
        assert got.seen == [], got


def accepted(case, got):
    wanted = expected(case)
    seen = [shown(one) for one in got.seen]
    if len(seen) < len(wanted) and harness.kind() == "gunicorn":
        wanted = wanted[:max(1, len(seen))]
    assert len(seen) >= len(wanted) or case.unfinished, got
    for one, want in zip(seen, wanted):
        assert one == want


@each
@GOSRV
def test_case_in_pieces(case, unix):
    """However the bytes are cut, the outcome is that of the whole."""
    whole = feed(unix, [case.raw])
    if len(case.raw) <= 2000:
        assert feed(unix, bytewise(case.raw)) == whole
    if len(case.raw) <= SMALL:
        for two in halves(case.raw):
            assert feed(unix, two) == whole, two


@each
@GOSRV
def test_case_with_something_behind_it(case, tcp):
    """A pipelined request is answered and changes nothing before it; junk is refused; after a refusal all is ignored."""
    alone = feed(tcp, [case.raw])
    if not alone.answers or alone.refused:
        behind_a_refusal(case, alone, tcp)
        return
    known = len(alone.answers)
    follower = feed(tcp, [case.raw + FOLLOWER])
    assert follower.facts()[:known] == alone.facts(), follower
    if follower.answers[known - 1].get("Connection") == "close":
        assert len(follower.answers) == known, follower
        return
    assert follower.targets[known:] == ["/follower"] or case.unfinished, follower
    junk = feed(tcp, [case.raw + JUNK])
    assert case.unfinished or junk.facts() == alone.facts() and junk.statuses[-1] == 400, junk


def behind_a_refusal(case, alone, tcp):
    """The server closes by itself, having taken nothing of what follows for a request."""
    got = feed(tcp, [case.raw + SMUGGLED + JUNK], finish=case.unfinished)
    assert got.refused, got
    assert "/smuggled" not in got.targets or alone.answers == [], got
