"""Generators that yield some pieces quickly and then do something else; the default is ten pieces.

?n= is how many come quickly, ?length= gives a Content-Length, ?fifo= is a named pipe that /stuck and /keeps_gil read a byte from
before their last piece. /random, by ?seed=, is what random_pieces() gives, with pauses of all lengths.
"""
import ctypes
import os
import random
import sys
import time
from urllib.parse import parse_qs


def piece(n):
    return b"piece %d\n" % n


def random_pieces(seed):
    """[(pause in seconds, piece)]"""
    dice = random.Random(seed)
    return [(dice.choice([0, 0, 0, 0, 0, 0.00003, 0.0001, 0.001, 0.003]), dice.randbytes(dice.randrange(1, dice.choice([10, 2000, 30000]))))
            for _ in range(dice.randrange(1, 60))]


class Pieces:
    """An iterable whose close() is told to the error log."""

    def __init__(self, environ, query):
        self.environ, self.query = environ, query
        self.write = None
        self.iterator = self.pieces(environ["PATH_INFO"][1:])

    def __iter__(self):
        return self.iterator

    def close(self):
        self.iterator.close()
        sys.stderr.write("CLOSED %(PATH_INFO)s?%(QUERY_STRING)s\n" % self.environ)

    def first(self, name):
        return self.query[name][0]

    def pieces(self, kind):
        if kind == "random":
            for pause, text in random_pieces(int(self.first("seed"))):
                until = time.perf_counter() + pause
                if pause >= 0.001:
                    time.sleep(pause)
                while time.perf_counter() < until:
                    pass
                yield text
            return
        for n in range(int(self.query.get("n", ["10"])[0])):
            yield piece(n)
        yield from getattr(self, kind, lambda: ())()

    def stuck(self):
        with open(self.first("fifo"), "rb") as fifo:
            fifo.read(1)
        yield b"end\n"

    def keeps_gil(self):
        fd = os.open(self.first("fifo"), os.O_RDWR)
        ctypes.PyDLL(None).read(fd, ctypes.create_string_buffer(1), 1)  # PyDLL does not release the GIL
        os.close(fd)
        yield b"end\n"

    def raises(self):
        raise RuntimeError("RAISED-after-pieces")
        yield

    def wrong(self):
        yield "a str"

    def starts_again(self):
        try:
            raise ValueError("REASON-to-start-again")
        except ValueError:
            self.start_response("500 Too Late", [], sys.exc_info())
        yield b"never"

    def writes(self):
        self.write(b"written\n")
        yield b"end\n"

    def socket(self):
        self.environ["gunicorn.socket"].sendall(b"7\r\nsocket\n\r\n")
        yield b"end\n"

    def forks(self):
        child = os.fork()
        if child == 0:
            time.sleep(0.02)  # longer than a piece may wait
        else:
            os.waitpid(child, 0)
        yield b"end\n"

    def empties(self):
        for _ in range(2000):
            yield b""
        yield b"end\n"


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    headers = [("Content-Type", "text/plain")]
    if "length" in query:
        headers.append(("Content-Length", query["length"][0]))
    answer = Pieces(environ, query)
    answer.start_response = start_response
    answer.write = start_response("200 OK", headers)
    return answer
