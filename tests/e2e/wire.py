"""HTTP by hand, for what a client library hides: exact bytes out, exact framing in."""
import select
import socket
import ssl
import threading


class Answer:
    """One response as it came: status line, header pairs in order, and the body after its framing was taken off."""

    def __init__(self, status_line, headers, body, chunks):
        self.status_line = status_line
        self.headers = headers
        self.body = body
        self.chunks = chunks  # sizes of the chunks, or None when not chunked

    @property
    def version(self):
        return self.status_line.split(" ", 1)[0]

    @property
    def status(self):
        return int(self.status_line.split(" ", 2)[1])

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        return (self.all(name) or [default])[0]

    def __repr__(self):
        return "<%s %r %d bytes>" % (self.status_line, self.headers, len(self.body))


class Closed(Exception):
    """The peer closed before the answer was complete; `got` is what had come."""

    def __init__(self, got):
        super().__init__("connection closed after %r" % (got[-200:],))
        self.got = got


_tls = set()


def speak_tls(addresses, on):
    """Whether connections to these addresses are TLS from now on."""
    if on:
        _tls.update(addresses)
    else:
        _tls.difference_update(addresses)


def secured(sock, address):
    """The connected socket, or one that speaks TLS over it where the server at the address does."""
    if address not in _tls:
        return sock
    import authority

    context = authority.client_context()
    context.sslsocket_class = OneThreadAtATime
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=True)


class OneThreadAtATime(ssl.SSLSocket):
    """Tests send in one thread and receive in another. CPython lets both into OpenSSL at once, which is not made for
    it: now and then a record leaves that no server can read."""

    inside = threading.Lock()

    def alone(self, act, *args):
        while True:
            with self.inside:
                patience = self.gettimeout()
                self.settimeout(0)
                try:
                    return act(*args)
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
                finally:
                    self.settimeout(patience)
            room = select.poll()
            room.register(self, event)
            if not room.poll(None if patience is None else patience * 1000):
                raise TimeoutError("timed out")

    def recv(self, size=1024, flags=0):
        return self.alone(super().recv, size, flags)

    def send(self, data, flags=0):
        return self.alone(super().send, data, flags)


class Wire:
    """A connection of one's own. Reads never take more than one answer off it, so pipelining shows."""

    def __init__(self, address, timeout=15.0, room=None):
        """room: the bytes that the receive buffer holds; by default the kernel lets it grow with the traffic."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if room is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.sock.connect(address)
        self.sock = secured(self.sock, address)
        self.kept = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def get(self, path="/", *headers, version="HTTP/1.1", method="GET", body=b""):
        """Send one request with Host and return its answer."""
        lines = ["%s %s %s" % (method, path, version), "Host: test"] + list(headers)
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.send("\r\n".join(lines) + "\r\n\r\n")
        if body:  # to send nothing fails where the answer has come and the peer has closed
            self.send(body)
        return self.answer(method)

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed(self.kept)
        self.kept += data

    def until(self, mark):
        while mark not in self.kept:
            self.more()
        found, _, self.kept = self.kept.partition(mark)
        return found

    def exactly(self, size):
        while len(self.kept) < size:
            self.more()
        found, self.kept = self.kept[:size], self.kept[size:]
        return found

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return lines[0], [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]

    def answer(self, method="GET"):
        """Read one whole response; interim (1xx) answers are returned as they come, with no body."""
        status_line, headers = self.head()
        answer = Answer(status_line, headers, b"", None)
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if "chunked" in (answer.get("Transfer-Encoding") or ""):
            answer.chunks = []
            while True:
                size = int(self.until(b"\r\n").split(b";")[0], 16)
                piece = self.exactly(size)
                assert self.exactly(2) == b"\r\n", "a chunk must end with CRLF"
                if size == 0:
                    return answer
                answer.chunks.append(size)
                answer.body += piece
        if answer.get("Content-Length") is not None:
            answer.body = self.exactly(int(answer.get("Content-Length")))
            return answer
        answer.body = self.rest()
        return answer

    def rest(self):
        """Everything until the peer closes; a reset counts as the end."""
        while True:
            try:
                self.more()
            except (Closed, ConnectionResetError):
                found, self.kept = self.kept, b""
                return found

    def closed(self):
        """True when the peer has closed with nothing more to say."""
        return self.rest() == b""

    def finish_sending(self):
        socket.socket.shutdown(self.sock, socket.SHUT_WR)  # that of SSLSocket forgets TLS
        return self


def once(address, data, timeout=15.0):
    """Send bytes, half-close, and return all that comes back."""
    with Wire(address, timeout) as wire:
        wire.send(data)
        try:
            wire.finish_sending()
        except OSError:
            pass
        return wire.rest()
