"""Is a server's answer right, byte for byte? Nobody is timed before that is known."""

import http.client
import io
import random
import re
import socket
import time

import scenarios

HELD = 0.025  # seconds; half of what the application pauses between two pieces
WARM = 0.1
CLOSING = 0.5  # after the answer
SECONDS = 10


class Wrong(Exception):
    """What is wrong with an answer."""


class Answer:
    def __init__(self, response, body, arrivals=()):
        self.status, self.headers, self.body = response.status, response.headers, body
        self.arrivals = arrivals


class Wire:
    """A client on a raw socket that sends what it is given and reconnects when the server has closed."""

    def __init__(self, port):
        self.port, self.socket, self.connections = port, None, 0

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def send(self, text):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), SECONDS)
            self.connections += 1
        self.socket.sendall(text)
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response

    def ask(self, text):
        """One request and its whole answer. A connection that the server has closed since is opened again, once."""
        try:
            kept = self.socket is not None
            try:
                response = self.send(text)
            except (http.client.RemoteDisconnected, ConnectionError):
                if not kept:
                    raise
                self.close()
                response = self.send(text)
            answer = Answer(response, response.read())
            if response.will_close:
                self.close()
            return answer
        except (OSError, http.client.HTTPException) as e:
            self.close()
            raise Wrong("%s: %s" % (type(e).__name__, e)) from e


def compare(answer, due, headers):
    if answer.status != 200:
        raise Wrong("status %d instead of 200" % answer.status)
    if answer.body != due:
        at = next((i for i, (a, b) in enumerate(zip(answer.body, due)) if a != b), min(len(answer.body), len(due)))
        raise Wrong("body differs at byte %d of %d: %r instead of %r" % (at, len(due), answer.body[at:at + 30], due[at:at + 30]))
    for name, value in headers.items():
        got = answer.headers.get_all(name) or []
        if [text.replace(", ", ",") for text in got] != [value.replace(", ", ",")]:  # Apache joins Vary without spaces
            raise Wrong("header %s: %s instead of %r" % (name, got or "missing", value))


def samples(scenario, requests):
    """What is asked: each request of a short list twice (the second time on the same connection, if it is kept), and 40
    of a long one."""
    if len(requests) <= 10:
        return requests * 2
    return random.Random(1).sample(requests, 40)


def arrivals_of(wire, text):
    """[(when a piece was whole, its bytes)] of a chunked or closed-ended answer, read as it comes."""
    response = wire.send(text)
    if response.status != 200:
        raise Wrong("status %d instead of 200" % response.status)
    got, found = io.BytesIO(), []
    while block := response.read1(65536):
        now = time.monotonic()
        got.write(block)
        whole = got.getvalue()
        while len(whole) >= 1024 * (len(found) + 1):
            found.append((now, whole[1024 * len(found):][:1024]))
    if response.will_close:
        wire.close()
    return found


def held_back(wire):
    """How long the pieces of a stream were kept, in ms: the median, so that one that met a busy machine does not count."""
    found = arrivals_of(wire, scenarios.request("/?pause"))
    if len(found) != 10:
        raise Wrong("%d pieces of a stream instead of 10" % len(found))
    delays = []
    for when, piece in found:
        if not re.fullmatch(rb"[0-9.]{20}x{1004}", piece):
            raise Wrong("a piece of the stream is %r..." % piece[:40])
        delays.append(when - float(piece[:20]))
    return sorted(delays)[len(delays) // 2] * 1000


def closes(wire):
    """Whether the application's iterable gets its close() (PEP 3333: it must), where Django and Flask end a request."""
    wire.ask(scenarios.request("/probe"))
    end = time.monotonic() + CLOSING
    while time.monotonic() < end:
        if wire.ask(scenarios.request("/closed")).body == b"True":
            return True
    return False


def warm(wire, requests):
    """A tenth of a second of requests, so that the first round is like the others."""
    end = time.monotonic() + WARM
    while time.monotonic() < end:
        for text in requests[:10]:
            wire.ask(text)


def check(scenario, requests, port):
    """Raise Wrong, or return remarks for the report. Bare C gives one answer to everything: it is not checked."""
    wire, remarks = Wire(port), []
    try:
        if scenario.app == "upload":
            text = requests[0].replace(b"\r\n", b"\r\nX-Digest: 1\r\n", 1)
            compare(wire.ask(text), scenario.due(text), scenario.headers)
        asked = samples(scenario, requests)
        for text in asked:
            compare(wire.ask(text), scenario.due(text), scenario.headers)
        if wire.connections > 1 and not any(b"Connection: close" in text for text in asked):
            remarks.append("closes connections")
        if scenario.pieces:
            held = held_back(wire)
            if held > HELD * 1000:
                remarks.append("holds pieces back %.0f ms" % held)
        if scenario.closes and not closes(wire):
            remarks.append("never calls close()")
        warm(wire, asked)
    except (OSError, http.client.HTTPException) as e:
        raise Wrong("%s: %s" % (type(e).__name__, e)) from e
    finally:
        wire.close()
    return remarks
