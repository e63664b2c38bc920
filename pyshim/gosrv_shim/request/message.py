"""req and resp as hooks and logger classes see them: gunicorn.http by its names (Gunicorn 27).

What an application may change in environ is taken when the request comes; the rest is made when it is asked for.
"""

import io
import os
import socket
from urllib.parse import unquote_to_bytes

VERSIONS = {"HTTP/1.1": (1, 1), "HTTP/1.0": (1, 0)}
MAX_HEADERS, MAX_FIELD, MAX_LINE = 32768, 8190, 8190
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
              "transfer-encoding", "upgrade", "server", "date"}


class made:
    """An attribute that is made by its function when it is first asked for, and may be set."""

    def __init__(self, function):
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


class Request:
    """head are the bytes of the request's head; fd is the connection's descriptor where environ has not its peer."""

    must_close = False
    req_number = 1

    def __init__(self, cfg, environ, head, fd=-1):
        self.cfg, self._head, self._environ = cfg, head, environ
        self.method, self.uri, self.query = environ["REQUEST_METHOD"], environ["RAW_URI"], environ["QUERY_STRING"]
        self._protocol, self.scheme, self.body = environ["SERVER_PROTOCOL"], environ["wsgi.url_scheme"], environ["wsgi.input"]
        self._address, self._port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
        self.proxy_protocol_info = None
        if "PROXY_PROTOCOL" in environ:
            self._note_proxy(environ, fd)

    def _note_proxy(self, environ, fd):
        """Behind a proxy that says who its client is, the peer is the proxy."""
        self.proxy_protocol_info = {
            "proxy_protocol": environ["PROXY_PROTOCOL"], "client_addr": self._address, "client_port": number(self._port),
            "proxy_addr": environ.get("PROXY_ADDR", ""), "proxy_port": number(environ.get("PROXY_PORT", ""))}
        if fd >= 0:
            with socket.socket(fileno=os.dup(fd)) as connection:
                self.peer_addr = connection.getpeername()

    @made
    def version(self):
        return VERSIONS.get(self._protocol) or tuple(int(n) for n in self._protocol[5:].split(".") if n.isdigit())

    @made
    def path(self):
        path, scheme, rest = self.uri.partition("?")[0].partition("#")[0].partition("://")
        if not scheme or path.startswith("/"):
            return path + scheme + rest
        return "/" + rest.partition("/")[2] if "/" in rest else ""

    @made
    def fragment(self):
        return self.uri.partition("#")[2]

    @made
    def peer_addr(self):
        """(host, port), with two numbers more for IPv6; text for a unix socket."""
        if not self._port:
            return self._address
        return (self._address, number(self._port), 0, 0) if ":" in self._address else (self._address, number(self._port))

    @made
    def remote_addr(self):
        return self.peer_addr

    @made
    def headers(self):
        """[(NAME, value)] in the order in which they came, repeated ones repeated."""
        return list(self._fields())

    @made
    def trailers(self):
        return []

    @made
    def unreader(self):
        return Unreader(self._environ.get("gunicorn.socket"))

    def _fields(self):
        """The header fields of the head, which the server has found good."""
        found = []
        for line in self._head.decode("latin-1").split("\r\n")[1:]:
            if line[:1] in (" ", "\t") and found:
                found[-1][1] += " " + line.strip(" \t")  # permit_obsolete_folding
            elif line:
                name, _, value = line.partition(":")
                found.append([name.rstrip(" \t").upper(), value.strip(" \t")])
        return [(name, value) for name, value in found if "_" not in name or self._keeps(name)]

    def _keeps(self, name):
        """Whether a name with an underscore passes header_map, or the peer may say it."""
        if self.cfg.header_map == "dangerous":
            return True
        named = self.cfg.forwarder_headers
        return (name in named or "*" in named) and self._trusted()

    def _trusted(self):
        peer, allowed = self.peer_addr, self.cfg.forwarded_allow_ips
        if "*" in allowed or not isinstance(peer, tuple):
            return True
        import ipaddress

        address = ipaddress.ip_address(peer[0].partition("%")[0])
        return any(address in ipaddress.ip_network(network) for network in allowed)

    # --- limits -----------------------------------------------------------------------

    @made
    def limit_request_line(self):
        limit = self.cfg.limit_request_line
        return limit if 0 <= limit < MAX_LINE else MAX_LINE

    @made
    def limit_request_fields(self):
        limit = self.cfg.limit_request_fields
        return limit if 0 < limit <= MAX_HEADERS else MAX_HEADERS

    @made
    def limit_request_field_size(self):
        limit = self.cfg.limit_request_field_size
        return limit if limit > 0 else MAX_FIELD

    @made
    def max_buffer_headers(self):
        return self.limit_request_fields * (self.limit_request_field_size + 2) + 4

    # --- methods ----------------------------------------------------------------------

    def force_close(self):
        """The connection ends with this answer."""
        self.must_close = True

    def should_close(self):
        if self.must_close or self.method == "CONNECT":
            return True
        for name, value in self.headers:
            if name == "CONNECTION":
                if value.lower().strip(" \t") in ("close", "keep-alive"):
                    return value.lower().strip(" \t") == "close"
                break
        return self.version <= (1, 0)

    def parse_headers(self, data, from_trailer=False):
        """[(NAME, value)] of other bytes with header lines."""
        other = Request.__new__(Request)
        other.cfg, other._head, other.peer_addr = self.cfg, b"\r\n" + data, self.peer_addr
        return other._fields()

    def proxy_protocol_access_check(self):
        """The server has checked it."""

    def parse(self, unreader):
        """The server has read the request."""
        return b""

    def parse_request_line(self, line_bytes):
        """The server has read the request."""

    def set_body_reader(self):
        """The body is there."""

    def get_data(self, unreader, buf, stop=False):
        """The server has read the request."""

    def read_into(self, unreader, buf, stop=False):
        """The server has read the request."""

    def read_line(self, unreader, buf, limit=0):
        line, _, rest = bytes(buf).partition(b"\r\n")
        return line, bytearray(rest)

    def read_bytes(self, unreader, buf, count):
        return bytes(buf[:count]), bytearray(buf[count:])

    def alter(self, environ):
        """Puts what pre_request has changed into environ, as Gunicorn makes environ after it."""
        for key, value in (("REQUEST_METHOD", self.method), ("RAW_URI", self.uri), ("QUERY_STRING", self.query),
                           ("wsgi.url_scheme", self.scheme), ("wsgi.input", self.body)):
            if environ[key] is not value:
                environ[key] = value
        held = self.__dict__
        if "version" in held:
            environ["SERVER_PROTOCOL"] = "HTTP/%s" % ".".join(str(n) for n in self.version)
        if "path" in held and self.path != Request.path.function(self):
            script = environ["SCRIPT_NAME"]
            path = self.path[len(script):] if self.path.startswith(script) else self.path
            environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        if "headers" in held:
            self._alter_headers(environ)

    def _alter_headers(self, environ):
        before, after = variables(self._fields()), variables(self.headers)
        if before == after:
            return
        for key in {*before, *after}:
            if key not in after:
                environ.pop(key, None)
            elif before.get(key) != after[key]:
                environ[key] = after[key]


def number(text):
    return int(text) if text.isdigit() else 0


def variables(headers):
    """What headers are in environ."""
    found = {}
    for name, value in headers:
        name = name.upper()
        key = name.replace("-", "_")
        if name not in ("CONTENT-TYPE", "CONTENT-LENGTH"):
            key = "HTTP_" + key
            value = found[key] + "," + value if key in found else value
        found[key] = value
    return found


class Unreader:
    """req.unreader: the bytes of the connection are read elsewhere."""

    mxchunk, max_body_chunk = 8192, 65536

    def __init__(self, sock):
        self.sock, self.buf = sock, io.BytesIO()

    def chunk(self, size_hint=None):
        return b""

    def take_buffered(self):
        data, self.buf = self.buf.getvalue(), io.BytesIO()
        return data

    def read(self, size=None, read_ahead=None):
        data = self.take_buffered()
        if size is None or size < 0:
            return data
        self.buf.write(data[size:])
        return data[:size]

    def unread(self, data):
        rest = self.take_buffered()
        self.buf.write(data + rest)


class Response:
    """What goes out is made by the server; the methods that write do nothing here."""

    status = status_code = response_length = None
    headers_sent = upgrade = must_close = False
    sent = 0
    version = "gunicorn"

    def __init__(self, req=None, cfg=None):
        self.req, self.cfg, self.headers = req, cfg, []

    @property
    def sock(self):
        return self.req.unreader.sock

    def fail(self):
        """The application has raised: the server answers for it, if nothing is said yet."""
        if not self.headers_sent:
            self.start("500 Internal Server Error", [])

    def start(self, status, headers):
        self.status, self.headers, self.response_length, self.upgrade = status, [], None, False
        try:
            self.status_code = int(status.split(None, 1)[0])
        except (ValueError, IndexError):
            self.status_code = None
        self.process_headers(headers)

    def process_headers(self, headers):
        """Hop-by-hop fields are the server's."""
        for name, value in headers:
            value, lowered = value.strip(" \t"), name.lower()
            if lowered == "content-length" and value.isdigit():
                self.response_length = int(value)
            elif lowered == "connection" and value.lower() == "upgrade":
                self.upgrade = True
            if lowered not in HOP_BY_HOP or lowered == "upgrade" and value.lower() == "websocket":
                self.headers.append((name, value))

    @property
    def chunked(self):
        return self.status is not None and self.is_chunked()

    def is_chunked(self):
        code = self.status_code or 200
        return (self.response_length is None and self.req.version > (1, 0) and self.req.method != "HEAD"
                and code >= 200 and code not in (204, 304))

    def force_close(self):
        self.must_close = True

    def should_close(self):
        return self.must_close or self.req.should_close()

    def start_response(self, status, headers, exc_info=None):
        """Only the application's own start_response answers."""
        return self.write

    def default_headers(self):
        lines = ["HTTP/%d.%d %s\r\n" % (*self.req.version, self.status), "Server: %s\r\n" % self.version,
                 "Connection: %s\r\n" % ("close" if self.should_close() else "keep-alive")]
        return lines + ["Transfer-Encoding: chunked\r\n"] if self.chunked else lines

    def can_sendfile(self):
        return self.cfg.sendfile is not False

    def send_headers(self):
        """The server sends them."""

    def write(self, arg):
        """The server writes."""

    def write_file(self, respiter):
        """The server writes."""

    def close(self):
        """The server ends the answer."""

    def sendfile(self, respiter):
        return False
