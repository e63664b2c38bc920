"""What is measured: the bytes that are sent, the answer that is due, and how it is asked for.

Every server gets the same bytes. The list is in the order in which the scenarios matter: when time runs out, the last
ones are left out, and the report says so.
"""

import hashlib
import random
from dataclasses import dataclass, field
from urllib.parse import parse_qs

HOST = "bench.example"
CONNECTIONS = 64
VARIANTS = 1000  # for each connection


def request(target, *headers, method="GET", body=b""):
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: " + HOST, *headers]
    if body:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


# -- what is sent --------------------------------------------------------------------------------------------------

AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%d.0) Gecko/20100101 Firefox/%d.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
]


def browser_headers(agent, cookie, referer):
    """The 13 that come with Host: 14 in all."""
    return [
        "Connection: keep-alive",
        "Cache-Control: max-age=0",
        "Upgrade-Insecure-Requests: 1",
        "User-Agent: " + agent,
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-User: ?1",
        "Sec-Fetch-Dest: document",
        "Referer: " + referer,
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-US,en;q=0.9,de;q=0.8",
        "Cookie: " + cookie,
    ]


def browser():
    cookie = "sessionid=3kq0v9x7d2m5c8b1n4z6a0s9d8f7g6h5; csrftoken=Zx81kQ0pLw7VbN3mRt5YuI2oPa4SdF6g; theme=dark"
    return [request("/account/orders/?page=2&sort=date", *browser_headers(AGENTS[0] % 131, cookie, "http://%s/account/" % HOST))]


def varied():
    """Path, query, Cookie, User-Agent and the order of the headers differ from request to request; always the same
    sequence (the seed is fixed), with as many requests as 1,000 for each connection, so that no block repeats."""
    draw = random.Random(20261121)
    found = []
    for _ in range(VARIANTS * CONNECTIONS):
        agent = draw.choice(AGENTS)
        agent = agent % tuple(draw.randrange(90, 140) for _ in range(agent.count("%d")))
        cookie = "sessionid=%032x; csrftoken=%032x; seen=%d" % (draw.getrandbits(128), draw.getrandbits(128), draw.randrange(10**6))
        path = "/" + "/".join(draw.choice(("shop", "item", "user", "list", "a", "archive")) for _ in range(draw.randrange(1, 5)))
        target = "%s/%d?page=%d&q=%x" % (path, draw.randrange(10**6), draw.randrange(100), draw.getrandbits(48))
        headers = browser_headers(agent, cookie, "http://%s%s" % (HOST, path))
        draw.shuffle(headers)
        found.append(request(target, *headers))
    return found


def some_close():
    """One request in ten asks for the end of the connection."""
    return [request("/")] * 9 + [request("/", "Connection: close")]


def upload(size):
    body = random.Random(size).randbytes(size)
    return lambda: [request("/upload", "Content-Type: application/octet-stream", method="POST", body=body)]


# -- what is due ---------------------------------------------------------------------------------------------------

def parts(text):
    """(method, path, query, headers in small letters, body) of a request's bytes."""
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    headers = dict(line.split(": ", 1) for line in lines)
    return method, path, query, {name.lower(): value for name, value in headers.items()}, body


def hello_due(_):
    return b"Hello, World!"


def browser_due(text):
    method, path, query, headers, _ = parts(text)
    return "\n".join((method, path, query, headers["host"], headers["user-agent"], headers["cookie"], "fresh")).encode()


def upload_due(text):
    _, _, _, headers, body = parts(text)
    due = b"%d" % len(body)
    return due + b" " + hashlib.sha256(body).hexdigest().encode() if "x-digest" in headers else due


def flask_due(text):
    _, path, query, _, _ = parts(text)
    number = int(path.rpartition("/")[2])
    return b'{"name":"item %d","number":%d,"tags":["a","b","c"],"wanted":"%s"}\n' % (
        number, number, parse_qs(query)["wanted"][0].encode())


def falcon_due(text):
    _, path, query, _, _ = parts(text)
    number = int(path.rpartition("/")[2])
    return b'{"number": %d, "name": "item %d", "wanted": "%s", "tags": ["a", "b", "c"]}' % (number, number, parse_qs(query)["wanted"][0].encode())


def small_due(text):
    _, path, query, _, _ = parts(text)
    return b'{"number": %d, "wanted": "%s"}' % (int(path.rpartition("/")[2]), parse_qs(query)["wanted"][0].encode())


def page_due(text):
    _, path, query, _, _ = parts(text)
    rows = b"".join(b"<li>%d: %s</li>" % (n, c) for n, c in enumerate((b"A", b"B", b"C", b"D"), 1))
    return b"<!doctype html><title>Page %s</title>\n<h1>%s</h1>\n<ul>%s</ul>\n" % (
        path.rpartition("/")[2].encode(), parse_qs(query)["wanted"][0].encode(), rows)


PLAIN = {"content-type": "text/plain", "content-length": "13"}
BROWSER = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "vary": "Cookie, Accept-Language", "x-frame-options": "DENY"}
PIECE = b"x" * 1024


# -- the list ------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Load:
    """One way to ask the servers of a scenario, and a part of its own in the report."""

    name: str         # behind the scenario's, with a hyphen between; the first load has none
    title: str
    connections: int
    share: float = 0  # open loop: requests fall due at this share of the requests/s that the first load found for the server
    seconds: int = 1
    main: str = "rps"


APPLICATION_LOADS = (
    Load("", "64 connections", 64),
    Load("8", "8 connections", 8),
    Load("1", "one client", 1),
    Load("half", "half of its capacity, arrivals that wait for nobody", 64, share=0.5, seconds=2, main="p99"),
)


@dataclass
class Scenario:
    name: str
    title: str
    app: str
    requests: callable
    due: callable               # the body for a request
    headers: dict = field(default_factory=dict)  # that the answer must have, small letters
    connections: int = CONNECTIONS
    rounds: int = 3
    seconds: int = 1
    entries: tuple = ({},)      # options of Setup; one row a server for each
    labels: tuple = ("",)
    server_cores: str = "0"
    client_cores: str = "1"
    delay: int = 0              # ms that the application waits
    pieces: int = 0             # the answer is a stream of so many pieces
    closes: bool = False        # the application can tell whether its answers are closed
    headline: bool = False
    main: str = "cpu"           # what the chart shows: cpu, rps or p99
    asked: tuple = ()           # the loads, if there is more than one
    peers: tuple = ()           # the servers that it is about, if not all
    only: bool = False          # it makes no sense with others, even if they are asked for by name

    @property
    def loads(self):
        return self.asked or (Load("", "", self.connections, 0, self.seconds, self.main),)

    def part(self, load):
        """The name of a load's part in the report."""
        return self.name + ("-" + load.name if load.name else "")

    @property
    def bare(self):
        """Whether the bare C server takes part: beside an application of a framework it says nothing."""
        return not self.asked

    def takes(self, peer, named):
        """Whether a server takes part; `named`: servers that were asked for by name."""
        if not self.peers:
            return not peer.green or peer.name in named
        return peer.name in self.peers or (not self.only and peer.name in named)

    def each(self, peers):
        """(label, peer, options) of the rows; peers that lack what is asked for raise Lacks when they are started."""
        for options, label in zip(self.entries, self.labels):
            for peer in peers:
                if options == {"threads": 1} and not peer.threads:
                    continue  # nothing to compare it with: the row with more threads says so
                if peer.memo or self.headline:
                    yield peer.name + (", " + label if label else ""), peer, options


def application(name, title, app, target, due, content_type, closes=True):
    return Scenario(name, title, app, lambda: [request(target)], due, {"content-type": content_type}, closes=closes, main="rps", rounds=4,
                    asked=APPLICATION_LOADS, peers=APPLICATION_PEERS)


def green(name, title, app, **more):
    """A scenario for servers that run each request in a greenlet."""
    return Scenario(name, title, app, lambda: [request("/")], **more, peers=GREEN_PEERS, only=True)


APPLICATION_PEERS = ("gosrv", "gunicorn sync", "gunicorn gthread", "bjoern", "freastal", "peregrine", "fastpysgi", "granian", "uwsgi")
GREEN_PEERS = ("gosrv gevent", "gunicorn gevent", "gunicorn eventlet", "gevent.pywsgi")
THREADS = 64
SCENARIOS = [
    application("flask", "Flask, a JSON route", "flask_json", "/item/7?wanted=blue", flask_due, "application/json"),
    application("django-small", "Django, a small view", "django_page", "/small/7?wanted=blue", small_due, "application/json"),
    application("django-page", "Django, a page with a template", "django_page", "/page/7?wanted=blue", page_due, "text/html; charset=utf-8"),
    application("falcon", "Falcon, a JSON API", "falcon_json", "/item/7?wanted=blue", falcon_due, "application/json", closes=False),
    Scenario("hello", "Hello, World, 64 connections", "hello", lambda: [request("/")], hello_due, PLAIN, rounds=6, headline=True),
    Scenario("browser", "A browser's GET: 14 headers, 6 environ reads, 5 headers set", "browser", browser, browser_due, BROWSER, rounds=6, headline=True),
    Scenario("varied", "Browsers' GETs that all differ: path, query, Cookie, User-Agent, header order", "browser", varied, browser_due, BROWSER,
             rounds=6, headline=True),
    Scenario("one", "One client, kept alive", "hello", lambda: [request("/")], hello_due, PLAIN, connections=1),
    Scenario("close", "Connection: close on every request", "hello", lambda: [request("/", "Connection: close")], hello_due, PLAIN),
    Scenario("stream", "10 pieces of 1 KB from a generator", "streaming", lambda: [request("/")], lambda _: PIECE * 10, pieces=10),
    Scenario("upload64k", "64 KB upload, read by the application", "upload", upload(65536), upload_due, {"content-type": "text/plain"}),
    Scenario("10kb", "10 KB answer", "ten_kb", lambda: [request("/")], lambda _: bytes(range(256)) * 40, {"content-length": "10240"}),
    Scenario("sleep", "The application waits 10 ms, 64 threads", "sleeping", lambda: [request("/")], lambda _: b"rested", entries=({"threads": THREADS},),
             delay=10, main="rps"),
    Scenario("log", "Access log on, to a file", "hello", lambda: [request("/")], hello_due, PLAIN, entries=({"log": "access.log"},)),
    Scenario("threads", "Hello with 1 and with 16 threads", "hello", lambda: [request("/")], hello_due, PLAIN,
             entries=({"threads": 1}, {"threads": 16}), labels=("1 thread", "16 threads")),
    Scenario("cores", "1 and 2 workers, server and client on both cores", "hello", lambda: [request("/")], hello_due, PLAIN,
             entries=({"workers": 1}, {"workers": 2}), labels=("1 worker", "2 workers"), server_cores="0,1", client_cores="0,1", main="rps"),
    Scenario("short", "Connections of 10 requests", "hello", some_close, hello_due, PLAIN),
    Scenario("1mb", "1 MB answer", "one_mb", lambda: [request("/")], lambda _: bytes(range(256)) * 4096, {"content-length": "1048576"}, connections=16),
    Scenario("upload10m", "10 MB upload, read by the application", "upload", upload(10 << 20), upload_due, {"content-type": "text/plain"}, connections=2),
    green("green-hello", "Greenlets: Hello, World, 64 connections", "hello", due=hello_due, headers=PLAIN),
    green("green-one", "Greenlets: one client, kept alive", "hello", due=hello_due, headers=PLAIN, connections=1),
    green("green-sleep", "Greenlets: the application waits 10 ms, 1,000 clients", "sleeping", due=lambda _: b"rested", connections=1000, delay=10, main="rps"),
    green("green-stream", "Greenlets: 10 pieces of 1 KB from a generator", "streaming", due=lambda _: PIECE * 10, pieces=10),
]
# Measured by other means, in start_and_memory.py and asleep.py.
WHOLE = {"green-asleep": "Greenlets: memory with 10,000 requests asleep",
         "start": "Django project: start to first answer", "memory": "Django project, 4 workers: memory of the tree"}
APPLICATIONS = ("flask", "django-small", "django-page", "falcon", "hello")
GREEN = ("green-hello", "green-one", "green-sleep", "green-stream", "green-asleep")
QUICK = ("hello", "browser", "varied", "close", "stream")
QUICK_PEERS = ("gosrv", "gunicorn gthread", "gunicorn sync", "granian", "bjoern", "fastpysgi", "freastal")


def chosen(names):
    known = {s.name: s for s in SCENARIOS}
    for name in names:
        if name not in known and name not in WHOLE:
            raise SystemExit("no scenario is called %r; there are: %s" % (name, ", ".join([*known, *WHOLE])))
    return [known[n] for n in known if n in names or not names], [n for n in WHOLE if n in names or not names]


def floor_answer(scenario, sample):
    """(bytes of the bare C server's answer, sizes of its writes)."""
    body = scenario.due(sample)
    head = "HTTP/1.1 200 OK\r\nServer: limit\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nConnection: keep-alive\r\n"
    if not scenario.pieces:
        extra = {"content-type": "text/plain", **scenario.headers, "content-length": str(len(body))}
        head += "".join("%s: %s\r\n" % (n.title(), v) for n, v in extra.items())
        whole = head.encode() + b"\r\n" + body
        return whole, [len(whole)]
    size = len(body) // scenario.pieces
    chunk = [b"%x\r\n%s\r\n" % (size, body[n * size:][:size]) for n in range(scenario.pieces)]
    head += "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    writes = [head.encode() + chunk[0], *chunk[1:-1], chunk[-1] + b"0\r\n\r\n"]
    return b"".join(writes), [len(w) for w in writes]
