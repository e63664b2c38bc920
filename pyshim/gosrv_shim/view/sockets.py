"""server.LISTENERS and worker.sockets: gunicorn.sock by its names.

The sockets are the master's. For the time of a hook, and in a worker up to the end of its boot, there is a
duplicate of each, so that options can be read and set. What is left afterwards is a closed socket that knows
its address.
"""

import socket
import struct


class Duplicate(socket.socket):
    name = None

    def getsockname(self):
        return self.name


class BaseSocket:
    def __init__(self, sock, asked, conf, log):
        self.conf, self.log = conf, log
        self.sock = sock
        self.cfg_addr = sock.name if asked is None or isinstance(asked, int) else asked

    def __getattr__(self, name):
        if name.startswith("__") or name == "sock":
            raise AttributeError(name)
        return getattr(self.sock, name)

    def __str__(self):
        return "<socket %d>" % self.sock.fileno()

    def bind(self, sock):
        """The master has bound it."""

    def set_options(self, sock, bound=False):
        return sock

    def close(self):
        """Closes the duplicate, and not what is served."""
        self.sock.close()

    def get_backlog(self):
        return -1


class TCPSocket(BaseSocket):
    FAMILY = socket.AF_INET

    def __str__(self):
        host, port = self.sock.name[:2]
        return "http://%s:%d" % ("[%s]" % host if ":" in host else host, port)

    def get_backlog(self):
        """How many wait to be accepted: tcpi_unacked of a listening socket's struct tcp_info."""
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except OSError:
            return 0
        return struct.unpack_from("I", info, 24)[0]


class TCP6Socket(TCPSocket):
    FAMILY = socket.AF_INET6


class UnixSocket(BaseSocket):
    FAMILY = socket.AF_UNIX

    def __str__(self):
        return "unix:%s" % self.cfg_addr


KINDS = {socket.AF_INET: TCPSocket, socket.AF_INET6: TCP6Socket, socket.AF_UNIX: UnixSocket}


class Listeners(list):
    """server.LISTENERS, and worker.sockets, which is the same list."""

    def lend(self, fds, conf, log):
        """Takes the duplicates; they come in the order of the setting bind."""
        asked = conf.address if len(conf.address) == len(fds) else [None] * len(fds)
        self[:] = [make(fd, address, conf, log) for fd, address in zip(fds, asked)]

    def take_back(self):
        for one in self:
            one.sock.close()


def make(fd, asked, conf, log):
    sock = Duplicate(fileno=fd)
    sock.name = super(Duplicate, sock).getsockname()  # not socket.socket's, which may be another class by now: gevent's, eventlet's
    return KINDS.get(sock.family, BaseSocket)(sock, asked, conf, log)
