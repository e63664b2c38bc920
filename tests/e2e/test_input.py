"""wsgi.input does what io.BytesIO of the same body does, for every framing, size and way of reading."""
import hashlib
import io
import json
import random

import pytest

import harness

LINES = b"".join(b"line %d of the body\n" % n for n in range(300)) + b"\n\n\r\nno newline at the end"
BINARY = bytes(range(256)) * 40
BLOCKS = (LINES * 400)[:2 << 20]  # lies in blocks
SPOOLED = 17 << 20  # bytes; larger bodies than 16 MiB go to a file
BODIES = {"empty": b"", "one": b"x", "newline": b"\n", "lines": LINES, "binary": BINARY, "blocks": BLOCKS}
SIZES = [None, -1, 0, 1, 2, 7, 100, 8191, 8192, 10_000, 1 << 30]

SCRIPTS = [
    [["read"]],
    [["read"], ["read"], ["read", 10], ["readline"], ["readlines"], ["iter", 5]],
    *[[["read", size], ["read", size], ["read", 3]] for size in SIZES],
    *[[["readline", size], ["readline", size], ["readline"]] for size in SIZES],
    *[[["readlines", size], ["readline"], ["read", 5]] for size in (None, 0, 1, 10, 25, 100, 5000)],
    [["readlines"], ["read"]],
    [["iter", 3], ["readline"], ["iter", 2], ["read", 4], ["iter", 1000000], ["read"]],
    [["readline", 0], ["read", 0], ["readlines", -1]],
]


def random_script(seed):
    chance = random.Random(seed)
    steps = []
    for _ in range(30):
        method = chance.choice(["read", "readline", "readlines", "iter"])
        size = chance.choice([0, 1, 2, 3, 10, 19, 20, 21, 100, 1000, 5000])
        steps.append([method, max(size, 1) if method == "readlines" else size])
    return steps


SCRIPTS += [random_script(seed) for seed in range(5)]


def expected(body, script):
    """What the standard library's stream gives; input_script's own rules, applied here."""
    stream = io.BytesIO(body)
    told = []
    for method, *args in script:
        if method == "iter":
            got = [line for line, _ in zip(iter(stream), range(args[0]))]
        else:
            got = getattr(stream, method)(*args)
        told.append([one.decode("latin-1") for one in got] if isinstance(got, list) else got.decode("latin-1"))
    return told


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("input_script")


def send(wire, framing, script, body):
    head = "POST / HTTP/1.1\r\nHost: t\r\nX-Script: %s\r\n" % json.dumps(script)
    if framing == "length":
        wire.send(head + "Content-Length: %d\r\n\r\n" % len(body)).send(body)
        return
    wire.send(head + "Transfer-Encoding: chunked\r\n\r\n")
    step = 65521 if len(body) > 100_000 else 999
    pieces = [body[n:n + step] for n in range(0, len(body), step)]
    wire.send(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")


@pytest.mark.matrix
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("kind", sorted(BODIES))
def test_it_is_like_bytesio(server, kind, framing):
    body = BODIES[kind]
    scripts = SCRIPTS if kind != "blocks" else SCRIPTS[:2] + SCRIPTS[5:9] + SCRIPTS[-3:]
    if harness.kind() == "gunicorn":
        # It knows no hint.
        scripts = [one for one in scripts if not any(step[0] == "readlines" and len(step) > 1 for step in one)]
    for script in scripts:
        with server.wire() as wire:
            send(wire, framing, script, body)
            assert json.loads(wire.answer().body) == expected(body, script), script


def test_without_a_body_there_is_nothing_to_read(server):
    for method in ("GET", "POST", "DELETE"):
        with server.wire() as wire:
            script = [["read"], ["read", 5], ["readline"], ["readlines"], ["iter", 5]]
            answer = wire.get("/", "X-Script: " + json.dumps(script), method=method)
            assert json.loads(answer.body) == ["", "", "", [], []]


@pytest.mark.gosrv_only("Gunicorn's errors are others")
def test_wrong_arguments_are_errors(server):
    script = [["read", "x"], ["read", 1, 2], ["readline", "x"], ["readlines", "x"], ["read", 1.5], ["read", 2]]
    with server.wire() as wire:
        send(wire, "length", script, b"still here")
        assert json.loads(wire.answer().body) == ["TypeError"] * 5 + ["st"]


@pytest.mark.gosrv_only("the end of a short body reaches the application with Gunicorn")
@pytest.mark.parametrize("head", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"])
def test_a_body_that_is_not_complete_never_reaches_the_application(start_shared, head):
    server = start_shared("echo_request", ready=None)
    with server.wire() as wire:
        wire.send(b"POST /incomplete HTTP/1.1\r\nHost: t\r\n" + head)
        wire.finish_sending()
        got = wire.rest()
    assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
    assert "/incomplete" not in server.get("/seen").json()


@pytest.mark.not_green("a body of more than a megabyte goes to a file, since thousands may wait")
def test_the_spool_file_is_in_tmp_upload_dir_and_has_no_name(start, tmp_path):
    """What is too large for memory goes to a file that nobody else can see; the directory is the user's choice."""
    if harness.kind() == "gunicorn":
        return
    folder = tmp_path / "spool"
    folder.mkdir()
    (tmp_path / "conf.py").write_text("tmp_upload_dir = %r\n" % str(folder))
    (tmp_path / "shows.py").write_text(
        "import os\n\ndef application(environ, start_response):\n    own = '/proc/self/fd'\n    links = []\n"
        "    for n in os.listdir(own):\n        try:\n            links.append(os.readlink(os.path.join(own, n)))\n        except OSError:\n            pass\n"
        "    size = len(environ['wsgi.input'].read())\n    start_response('200 OK', [])\n"
        "    return [('%d %s' % (size, [one for one in links if 'spool' in one])).encode()]\n")
    server = start("shows", "-c", tmp_path / "conf.py", cwd=tmp_path)
    text = server.post("/", data=bytes(SPOOLED)).text
    assert text.startswith("%d [" % SPOOLED) and str(folder) in text and "deleted" in text
    assert server.post("/", data=BLOCKS).text == "%d []" % len(BLOCKS), "this one is small enough for memory"
    assert list(folder.iterdir()) == []


def digest(data):
    return hashlib.sha256(data).hexdigest()


def following(server, wire):
    """The connection of the next request: the same, but for Gunicorn's sync worker, which closes it after each answer."""
    if harness.kind() == "gosrv":
        return wire
    wire.sock.close()
    return server.wire()


@pytest.mark.matrix
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [(3 << 20) + 5, SPOOLED])
def test_large_bodies_arrive_whole_whatever_is_read_at_a_time(start_shared, framing, size):
    """Sizes around that of the server's own blocks, the whole, and lines first; one connection, so that memory is used again."""
    server = start_shared("large_body")
    scripts = [["line", 65536], [65536], [-1], [65535, 1], [1 << 20], [200_000, "line"]]
    wire = server.wire()
    for turn, steps in enumerate(scripts[:1] if size == SPOOLED else scripts):
        body = random.Random(turn).randbytes(4099) * (size // 4099 + 1)
        body = body[:size]
        send(wire, framing, steps, body)
        assert json.loads(wire.answer().body) == [digest(body), True], steps
        wire = following(server, wire)
    wire.sock.close()


@pytest.mark.matrix
def test_what_was_read_stays_when_others_upload(start_shared):
    """Pieces of bodies that the application keeps are not changed by the bodies that come later."""
    server = start_shared("large_body")
    wire = server.wire()
    due = []
    for turn in range(4):
        body = random.Random(turn).randbytes(1 << 20) * 2
        send(wire, "length", ["keep", 65536], body)
        assert json.loads(wire.answer().body) == [digest(body), True]
        due.append(digest(body))
        wire = following(server, wire)
        wire.get("/")
        wire = following(server, wire)
    assert json.loads(wire.get("/kept").body) == due
    wire = following(server, wire)
    wire.get("/forget")
    wire.sock.close()


@pytest.mark.matrix
def test_a_generator_reads_its_body_while_it_answers(start_shared):
    """The call outlives its first piece, and so does the body."""
    server = start_shared("large_body")
    body = random.Random(5).randbytes(1 << 20) * 3
    wires = [server.wire(), server.wire()]
    for turn in (0, 1, 0):
        wire = wires[turn]
        wire.send("POST /late HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body)).send(body)
        assert wire.answer().body.decode().split() == ["begun", digest(body)]
        wires[turn] = following(server, wire)
    for wire in wires:
        wire.sock.close()
