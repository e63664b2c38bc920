"""Requests that repeat a header block get the environ that a fresh one would get, whatever the application did to
the last one."""
import json
import random

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


VALUES = {  # some come again and again, some never do
    "Accept": lambda draw: draw.choice(["*/*", "text/html,application/xhtml+xml", "image/avif,image/webp"]),
    "Accept-Language": lambda draw: draw.choice(["en-US,en;q=0.9", "de"]),
    "User-Agent": lambda draw: "Mozilla/5.0 (X11; Linux x86_64) Version/%d" % draw.randrange(6),
    "Cookie": lambda draw: "sessionid=%032x" % draw.getrandbits(128),
    "Referer": lambda draw: "http://test/%s" % draw.choice(["", "a", "b", "%d" % draw.randrange(10**6)]),
    "Cache-Control": lambda draw: "max-age=0",
    "Authorization": lambda draw: draw.choice(["Basic YTpi", "Bearer %x" % draw.getrandbits(64)]),
    "X-Forwarded-For": lambda draw: draw.choice(["192.0.2.1", "192.0.2.2, 192.0.2.1", "\xe9"]),
    "X-Long": lambda draw: draw.choice("abc") * 300,
}
SETS = [("Accept", "User-Agent", "Cookie"), ("Accept", "Accept-Language", "User-Agent", "Referer"), tuple(VALUES), ("X-Forwarded-For",), ()]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_names_in_any_order_with_other_values(server, seed):
    """What differs between requests with the same header names is each request's own."""
    draw = random.Random(seed)
    with server.wire() as one, server.wire() as two:
        for _ in range(150):
            names = list(draw.choice(SETS))
            if draw.random() < 0.5:
                draw.shuffle(names)
            said = [(name, VALUES[name](draw)) for name in names]
            if names and draw.random() < 0.1:
                said.append((names[0].lower(), "twice"))
            due = {}
            for name, value in said:
                key = "HTTP_" + name.upper().replace("-", "_")
                due[key] = due[key] + ("; " if key == "HTTP_COOKIE" else ",") + value if key in due else value
            query = draw.choice(["", "", "q=%d" % draw.randrange(10**6)])
            path = draw.choice(["/", "/path", "/%d" % draw.randrange(10**6)])
            got = ask(draw.choice((one, two)), path + "?" * bool(query) + query, *("%s: %s" % pair for pair in said))
            assert {k: v for k, v in got.items() if k.startswith("HTTP_")} == {"HTTP_HOST": "test", **due}
            assert (got["PATH_INFO"], got["QUERY_STRING"]) == (path, query)
            assert not {"CONTENT_TYPE", "CONTENT_LENGTH"} & set(got)
