"""Feed raw bytes to a server in chosen pieces, and take apart everything that comes back."""
import fcntl
import json
import struct
import termios
import time

from wire import Closed, Wire


class Outcome:
    """What came of one connection: the answers in order, and what was left after the last whole one."""

    def __init__(self, answers, rest):
        self.answers = [a for a in answers if a.status >= 200]
        self.interim = [a for a in answers if a.status < 200]
        self.rest = rest

    @property
    def statuses(self):
        return [answer.status for answer in self.answers]

    @property
    def seen(self):
        """The requests as the echoing application saw them."""
        return [json.loads(a.body) for a in self.answers if a.status == 200]

    @property
    def targets(self):
        return [one["target"] for one in self.seen]

    @property
    def refused(self):
        """True when the last thing said is an error, or nothing was said at all."""
        return not self.answers or self.answers[-1].status >= 400

    def __eq__(self, other):
        return (self.statuses, self.facts(), self.rest) == (other.statuses, other.facts(), other.rest)

    def facts(self):
        return [dict(one, peer=None, server=None) for one in self.seen]

    def __repr__(self):
        return "<%s %s rest=%r>" % (self.statuses, self.targets, self.rest[:80])


def feed(address, pieces, finish=True, timeout=10.0):
    """Send the pieces, half-close if asked to, and read until the server closes.

    On a unix socket each piece is sent when the server has read the one before; TCP does not tell.
    """
    with Wire(address, timeout) as wire:
        local = isinstance(address, str)
        try:
            for number, piece in enumerate(pieces):
                if number and local:
                    taken(wire.sock)
                wire.send(piece)
            if finish:
                wire.finish_sending()
        except OSError:
            pass  # the server has refused and closed already; its answer is still to be read
        return Outcome(*everything(wire))


def everything(wire):
    """All answers until the end, and the bytes that are no whole answer."""
    answers = []
    while True:
        try:
            answers.append(wire.answer())
        except Closed:
            break
        except ConnectionError:
            break
    return answers, wire.kept


def taken(sock):
    """Wait until the peer has read all that was sent on this unix socket; on TCP, until its kernel has it."""
    deadline = time.monotonic() + 30
    room = bytearray(4)
    while time.monotonic() < deadline:
        fcntl.ioctl(sock, termios.TIOCOUTQ, room)
        if struct.unpack("i", room)[0] == 0:
            return
    raise AssertionError("the server does not read")


def bytewise(raw):
    return [raw[n:n + 1] for n in range(len(raw))]


def halves(raw):
    """Every way to cut the bytes in two."""
    for n in range(1, len(raw)):
        yield [raw[:n], raw[n:]]
