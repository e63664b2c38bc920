"""HTTP/2 by hand: one connection whose frames a test sees and whose windows it holds; the frames are h2's, a second opinion."""
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from waiting import TimedOut

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Connection(h2.connection.H2Connection):
    """One for which GOAWAY is not the end: what was asked before is still answered (RFC 9113 section 6.8)."""

    def _receive_goaway_frame(self, frame):
        event = h2.events.ConnectionTerminated()
        event.last_stream_id, event.error_code, event.additional_data = frame.last_stream_id, frame.error_code, None
        return [], [event]


class Reply:
    """What has come of one stream."""

    def __init__(self):
        self.status = None
        self.headers = []
        self.body = b""
        self.interim = []  # (status, headers)
        self.trailers = []
        self.ended = False
        self.reset = None  # the error code

    def get(self, name, default=None):
        return next((value for key, value in self.headers if key == name), default)

    @property
    def over(self):
        return self.ended or self.reset is not None

    def __repr__(self):
        return "<%s %r %d bytes ended=%s reset=%s>" % (self.status, self.headers, len(self.body), self.ended, self.reset)


def connected(address, alpn=None, timeout=20):
    """A socket to the address; alpn: over TLS, offering these."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(address)
    if alpn is None:
        return sock
    import authority

    context = ssl.create_default_context(cafile=str(authority.ca_file()))
    context.set_alpn_protocols(alpn)
    return context.wrap_socket(sock, server_hostname="localhost")


class Session:
    """One connection. credit=False: what is received opens no window again before give()."""

    def __init__(self, address, tls=False, settings=None, credit=True, sock=None):
        self.sock = sock or connected(address, ["h2"] if tls else None)
        if tls:
            assert self.sock.selected_alpn_protocol() == "h2"
        self.scheme = "https" if tls else "http"
        self.credit = credit
        self.h2 = Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False))
        if settings:
            self.h2.local_settings = h2.settings.Settings(client=True, initial_values={**dict(self.h2.local_settings), **settings})
        self.h2.initiate_connection()
        self.replies = {}
        self.goaways = []  # (last stream, error code)
        self.closed = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        self.sock.close()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def fields(self, method, path, headers):
        return [(":method", method), (":scheme", self.scheme), (":path", path), (":authority", "test"), *headers]

    def begin(self, path="/", method="GET", headers=(), end=True):
        """Send HEADERS; returns the stream's number."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, self.fields(method, path, headers), end_stream=end)
        self.replies[number] = Reply()
        self.flush()
        return number

    def send(self, number, data, end=False):
        """Send DATA, waiting for the windows."""
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(view))
            if room == 0:
                self.read()
                if self.replies[number].over:
                    return
                continue
            self.h2.send_data(number, bytes(view[:room]))
            view = view[room:]
            self.flush()
        if end:
            self.h2.end_stream(number)
            self.flush()

    def give(self, amount, number=None):
        self.h2.increment_flow_control_window(amount, number)
        self.flush()

    def read(self):
        """Take what the server sends next."""
        data = self.sock.recv(65536)
        if not data:
            self.closed = True
            raise ConnectionResetError("the server has closed; goaways: %r" % self.goaways)
        for event in self.h2.receive_data(data):
            self.heed(event)
        if not self.closed:
            try:
                self.flush()
            except OSError:
                pass  # it has closed; what it has said is still to be read

    def heed(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append((event.last_stream_id, event.error_code))
            return
        reply = self.replies.get(getattr(event, "stream_id", None))
        if reply is None:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            reply.interim.append((int(dict(event.headers)[":status"]), event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            reply.headers = event.headers
            reply.status = int(reply.get(":status"))
        elif isinstance(event, h2.events.DataReceived):
            reply.body += event.data
            if self.credit and event.flow_controlled_length and not reply.over:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            reply.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            reply.ended = True
        elif isinstance(event, h2.events.StreamReset):
            reply.reset = event.error_code

    def until(self, done, what):
        """Read until done() is true."""
        while not done():
            try:
                self.read()
            except socket.timeout:
                raise TimedOut("%s; have %r, goaways %r" % (what, self.replies, self.goaways)) from None

    def reply(self, number):
        """Read until the stream is over; returns what came."""
        reply = self.replies[number]
        self.until(lambda: reply.over, "the end of stream %d" % number)
        return reply

    def get(self, path="/", method="GET", headers=(), body=None):
        number = self.begin(path, method, headers, end=body is None)
        if body is not None:
            self.send(number, body, end=True)
        return self.reply(number)

    def end(self):
        """Read to the server's end; returns its last GOAWAY."""
        try:
            while True:
                self.read()
        except ConnectionError:
            return self.goaways[-1] if self.goaways else None


class Raw:
    """A connection of frames without a library that would refuse to send them."""

    def __init__(self, address, tls=False):
        self.sock = connected(address, ["h2"] if tls else None)
        self.sock.sendall(PREFACE + frame(4))
        self.kept = b""

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        self.sock.close()

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))
        return self

    def next(self):
        """(type, flags, stream, payload) of the next frame, None at the end."""
        while len(self.kept) < 9 or len(self.kept) < 9 + int.from_bytes(self.kept[:3], "big"):
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.kept += data
        size = int.from_bytes(self.kept[:3], "big")
        head, payload, self.kept = self.kept[:9], self.kept[9:9 + size], self.kept[9 + size:]
        return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, payload

    def until(self, kind, stream=None):
        """The payload of the next frame of that type."""
        while True:
            got = self.next()
            assert got is not None, "closed before a frame of type %d" % kind
            if got[0] == kind and stream in (None, got[2]):
                return got[3]


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field as HPACK has it without a table; any bytes."""
    def text(b):
        assert len(b) < 127
        return bytes([len(b)]) + b

    return b"\0" + text(name) + text(value)


def request_block(**changes):
    """A block of pseudo fields and others; a change to None leaves one out, names with _ for :."""
    fields = {b":method": b"GET", b":scheme": b"https", b":path": b"/", b":authority": b"test"}
    for name, value in changes.items():
        fields[name.encode()] = value
    return b"".join(literal(k, v) for k, v in fields.items() if v is not None)
