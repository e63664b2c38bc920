"""Behind a real nginx that keeps its connections to the server: what most installations look like."""
import collections
import hashlib
import itertools
import json
import random
import signal
import threading
import time

import pytest

import nginx
import procs
import share
from waiting import wait_for

pytestmark = pytest.mark.skipif(not nginx.NGINX, reason=nginx.MISSING)
keeps = pytest.mark.gosrv_only("Gunicorn's sync worker keeps no connection, and its others lose some at their end")
BINDS = ["127.0.0.1:0", "unix:DIR/server.sock"]
WAYS = ["tcp", "unix"]
APPS = ["echo_request", "read_body", "closing", "pacing"]
VARIANTS = {"": "", "-straight": "proxy_request_buffering off; proxy_buffering off;"}
CLASSES = {"sync": (), "threads": ("--threads", "4")}
LONG = ("--keep-alive", "75")  # longer than nginx keeps a connection, so that it never meets the end of one


@pytest.fixture
def proxied():
    """Start nginx over some lanes; it ends with the test."""
    running = []

    def make(lanes):
        running.append(nginx.Nginx(lanes))
        return running[-1]

    yield make
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def site(start_shared):
    """One server an application, and one nginx with a lane to each of its sockets in each variant."""
    servers = {app: start_shared(app, bind=BINDS) for app in APPS}
    lanes = [nginx.Lane("%s-%s%s" % (app, way, variant), address, options=options)
             for app, server in servers.items() for way, address in zip(WAYS, server.addresses) for variant, options in VARIANTS.items()]
    front = nginx.Nginx(lanes)
    yield servers, front
    front.stop()


@keeps
@pytest.mark.parametrize("way", WAYS)
def test_one_connection_carries_all(start, proxied, way):
    server = start("hello", bind=BINDS)
    front = proxied([nginx.Lane("hello", server.addresses[WAYS.index(way)])])
    worker = server.wait_workers(1)[0]
    sockets = lambda: {link for link in procs.open_fds(worker).values() if link.startswith("socket:")}
    with front.wire() as wire:
        assert wire.get("/hello/").body == b"hello app"
        kept = sockets()
        for _ in range(50):
            assert wire.get("/hello/").body == b"hello app"
            assert sockets() <= kept


@pytest.mark.parametrize("way", WAYS)
def test_what_the_application_learns(site, way):
    _, front = site
    with front.wire() as wire:
        answer = wire.get("/echo_request-%s/a%%20b?c=d" % way, "X-Forwarded-For: 203.0.113.7", "Cookie: a=1", "X-Forwarded-Proto: http")
    seen = json.loads(answer.body)
    assert (seen["path"], seen["query"], seen["version"], seen["scheme"]) == ("/a b", "c=d", "HTTP/1.1", "https")
    assert seen["headers"]["HTTP_X_FORWARDED_FOR"] == "203.0.113.7, 127.0.0.1"
    assert seen["headers"]["HTTP_COOKIE"] == "a=1" and "HTTP_CONNECTION" not in seen["headers"]
    if way == "tcp":
        assert seen["peer"][0] == "127.0.0.1"


BODY = bytes(range(256)) * 6000
SENT = {
    "by length": b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (BODY[:1], BODY[1:70000], BODY[70000:])) + b"0\r\n\r\n",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("variant", list(VARIANTS), ids=["buffered", "straight"])
@pytest.mark.parametrize("framing", list(SENT))
def test_an_upload(site, framing, variant, way):
    _, front = site
    with front.wire() as wire:
        for _ in range(3):
            wire.send(b"POST /read_body-%s%s/read HTTP/1.1\r\nHost: t\r\n" % (way.encode(), variant.encode()) + SENT[framing])
            answer = wire.answer()
            assert answer.status == 200, front.log
            got = json.loads(answer.body)
            assert (got["length"], got["sha256"]) == (len(BODY), hashlib.sha256(BODY).hexdigest())
            # Only what it has taken whole does nginx give a length by itself.
            assert (got["content_length"] is None) == (framing == "chunked" and variant == "-straight")


@pytest.mark.gosrv_only("a client that reads nothing holds Gunicorn's worker")
@pytest.mark.parametrize("way", WAYS)
def test_a_streaming_answer_waits_for_its_reader(site, way):
    servers, front = site
    produced = lambda: int(servers["pacing"].get("/produced").text)
    before, size = produced(), 64 << 20
    with front.wire() as wire:
        wire.send("GET /pacing-%s-straight/made?mb=64 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % way)
        wire.until(b"\r\n\r\n")
        assert produced() - before < size
        received = len(wire.kept)
        while True:
            data = wire.sock.recv(1 << 20)
            if not data:
                break
            received += len(data)
    assert produced() - before == size and received >= size


@pytest.mark.parametrize("args", [(), ("--no-sendfile",)], ids=["sendfile", "copied"])
def test_a_file_through_both(start, proxied, tmp_path, args):
    """With and without sendfile on either side; the answer is larger than nginx's buffers, so that it waits in a file there."""
    data = random.Random(1).randbytes(1 << 20)
    (tmp_path / "data").write_bytes(data)
    server = start("file_wrapper", *args, bind=BINDS, env={"FILE": tmp_path / "data"})
    lanes = {"%s-%s-%s" % (way, switch, buffering): "sendfile %s; proxy_buffering %s;" % (switch, buffering)
             for way in WAYS for switch in ("on", "off") for buffering in ("on", "off")}
    front = proxied([nginx.Lane(name, server.addresses[WAYS.index(name.split("-")[0])], options=options) for name, options in lanes.items()])
    for name in lanes:
        with front.wire() as wire:
            for path, expected in (("file", data), ("file?offset=1000&length=500000", data[1000:501000]), ("memory", bytes(range(256)) * 100)):
                answer = wire.get("/%s/%s" % (name, path))
                assert (answer.status, hashlib.sha256(answer.body).digest()) == (200, hashlib.sha256(expected).digest()), (name, path)
    assert not front.complaints()


numbers = itertools.count()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["pieces", "generator"])
def test_a_client_leaves_in_the_middle(site, kind, way):
    servers, front = site
    server, name = servers["closing"], "nginx%d" % next(numbers)
    count = lambda: server.get("/count?id=" + name).json()
    pids = server.worker_pids()
    with front.wire() as wire:
        wire.send("GET /closing-%s-straight/%s?id=%s&n=1000&size=100000 HTTP/1.1\r\nHost: t\r\n\r\n" % (way, kind, name))
        while len(wire.kept) < 300000:
            wire.more()
    wait_for(lambda: count() >= 1, lambda: "close()\n%s" % server.log[-3000:])
    assert count() == 1 and server.worker_pids() == pids
    with front.wire() as wire:
        assert wire.get("/closing-%s/list?id=after-%s" % (way, name)).body == b"one"


class Traffic:
    """Clients of nginx, a thread for each. Every answer must be a 200 with the number that was asked for."""

    def __init__(self, front):
        self.front = front
        self.over = threading.Event()
        self.answered = collections.Counter()
        self.failures = []
        self.threads = []

    def add(self, lane, method, pause):
        """A client that asks again `pause()` seconds after each answer."""
        self.threads.append(threading.Thread(target=self.run, args=(lane, method, pause)))

    def run(self, lane, method, pause):
        while not self.over.wait(pause()):
            number = b"%d" % next(numbers)
            try:
                with self.front.wire(60) as wire:
                    answer = wire.get("/%s/?%s" % (lane, number.decode()), method=method, body=b"x" if method == "POST" else b"")
            except Exception as error:
                self.failures.append((lane, repr(error)))
                continue
            if (answer.status, answer.body) == (200, number):
                self.answered[lane.split("-")[0]] += 1
            else:
                self.failures.append((lane, answer))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        for thread in self.threads:
            thread.join()


def nothing_lost(front, traffic):
    """Neither nginx nor a client of it has seen anything but answers."""
    lost = [line for line in front.requests if line.status != "200"]
    assert not lost and not traffic.failures, "%d of %d: %s\n%s\n%s" % (
        len(lost), len(front.requests), lost[:10], traffic.failures[:10], "\n".join(front.complaints()[:20]))


@keeps
@pytest.mark.parametrize("worker_class", list(CLASSES))
def test_hup_under_load(start, proxied, worker_class):
    """Neither GET nor POST is tried again by nginx here: what a worker loses on its way out is a 502."""
    server = start("numbered", "-w", "2", *CLASSES[worker_class], *LONG, bind=BINDS)
    front = proxied([nginx.Lane("load-%s" % way, address) for way, address in zip(WAYS, server.addresses)])
    traffic = Traffic(front)
    for way, method in itertools.product(WAYS, ["GET", "POST"]):
        for _ in range(2):
            traffic.add("load-" + way, method, lambda: random.uniform(0, 0.002))
    with traffic:
        for _ in range(10):
            old, mark = server.wait_workers(2), traffic.answered.total() + 100
            server.send_signal(signal.SIGHUP)
            server.wait_workers(2, without=old)
            wait_for(lambda: traffic.answered.total() > mark or traffic.failures, "answers")
    nothing_lost(front, traffic)


SOAK = share.of(600)  # seconds
SHORT = ("--keep-alive", "2")


def around_a_minute():
    """A pause about as long as nginx keeps a connection, or the server, or none to speak of."""
    return random.uniform(*random.choice([(0, 5), (57, 63), (57, 63), (70, 80)]))


def around_two_seconds():
    """About what the server has promised, and about the second more that it keeps to itself."""
    return random.choice([random.uniform(1.5, 3.5), random.uniform(1.9, 2.1), random.uniform(2.9, 3.1)])


@keeps
@pytest.mark.soak
def test_ten_minutes_of_sporadic_traffic(start, proxied):
    """Each client has a lane, and so a connection to the server, for itself, which is idle between its requests.

    Where nginx gives a connection up before the server does, as it should be set up, not one request may be
    lost, POST included. Where it is told to keep it for longer (`late`), a request can cross the server's FIN on the
    way, and no server can prevent that: nginx, left to its defaults, repeats those that can be repeated.
    """
    lanes, clients = [], []
    groups = [  # name, arguments, what nginx keeps, pause, clients
        ("sync75", (), 60, around_a_minute, 40), ("threads75", CLASSES["threads"] + LONG, 60, around_a_minute, 40),
        ("sync2", SHORT, 2, around_two_seconds, 20), ("threads2", CLASSES["threads"] + SHORT, 2, around_two_seconds, 20),
        ("sync2late", SHORT, 60, around_two_seconds, 20), ("threads2late", CLASSES["threads"] + SHORT, 60, around_two_seconds, 20),
    ]
    for name, args, idle, pause, count in groups:
        server = start("numbered", "-w", "2", *args, bind=BINDS, log_level="info")
        late = name.endswith("late")
        for n in range(count):
            lanes.append(nginx.Lane("%s-%d" % (name, n), server.addresses[n % 2], idle, retry=late))
            clients.append((lanes[-1].name, "POST" if n // 2 % 2 and not late else "GET", pause))
    front = proxied(lanes)
    traffic = Traffic(front)
    for client in clients:
        traffic.add(*client)
    with traffic:
        time.sleep(SOAK)
    again = [line for line in front.requests if line.tries > 1]
    print("answered: %s" % dict(traffic.answered), "tried again: %s" % again, "lost: %s" % traffic.failures, *front.complaints(), sep="\n")
    nothing_lost(front, traffic)
