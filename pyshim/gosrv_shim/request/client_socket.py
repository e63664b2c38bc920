"""gunicorn.socket: the client's connection as a socket.socket, made when an application asks for it."""

import os
import re
import socket
import threading

# What the server is asked for (cgo/request_socket.c, grant).
LOOK, READ, TAKE, SEND, SECURE, TUNNEL = range(6)

# Further answers of the server's may follow one of these; 101 is the end of HTTP.
INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9]\b")


if hasattr(socket.socket, "detach"):
    Socket = socket.socket  # gevent's, where that has patched it
else:
    from .eventlet_socket import WholeSocket as Socket


class ClientSocket(Socket):
    """A blocking socket, as Gunicorn's. Its addresses and options can be looked at freely. Whatever may
    wait asks the server first, and the first byte that is read or written takes the connection over:
    from then on nobody else reads from it or writes to it.

    What the client has sent right behind its request was received with that: it is given first, by
    everything that reads, but the kernel knows nothing of it, so select() does not either. Gunicorn
    loses it."""

    __slots__ = ("_grant", "_lock", "_used", "_behind")

    def __init__(self, fd, grant):
        super().__init__(fileno=os.dup(fd))
        self._grant = grant  # None: taken over, or the request has ended
        self._lock = threading.Lock()
        self._used = False
        self._behind = b""  # once it is taken over: what came behind the request and was not read

    def _use(self):
        if self._used or self._grant is None:
            return
        with self._lock:
            if not self._used and self._grant is not None:
                self._grant(LOOK)
                super().setblocking(True)  # the server's own descriptor shares that
                self._used = True

    def _take(self, what=TAKE):
        with self._lock:
            if self._grant is not None:
                behind = self._grant(what)
                if behind is not None:
                    self._grant, self._behind = None, behind

    def _held(self, size, flags):
        """What came behind the request, at most so much of it; nothing: the kernel is to be asked."""
        self._use()
        peek = flags & socket.MSG_PEEK
        with self._lock:
            behind = self._behind if self._grant is None else self._grant(READ)
            if not behind or size < 0:
                return b""
            if not peek:
                if self._grant is not None:
                    behind = self._grant(TAKE)
                self._grant, self._behind = None, behind[size:]
            return behind[:size]

    def _got(self, n, flags):
        if n and not flags & socket.MSG_PEEK:
            self._take()

    def _speak(self, data):
        self._use()
        if self._grant is not None and not INTERIM.match(bytes(memoryview(data).cast("B")[:16])):
            self._take(SEND)

    # --- reading ----------------------------------------------------------------------

    def recv(self, bufsize, flags=0):
        held = self._held(bufsize, flags)
        if held and not (flags & socket.MSG_WAITALL and len(held) < bufsize):
            return held
        data = super().recv(bufsize - len(held), flags)
        self._got(len(data), flags)
        return held + data

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        size = nbytes or len(view)
        held = self._held(size, flags) if size <= len(view) else b""
        view[:len(held)] = held
        if held and not (flags & socket.MSG_WAITALL and len(held) < size):
            return len(held)
        got = super().recv_into(view[len(held):], size - len(held) if nbytes else 0, flags)
        self._got(got, flags)
        return len(held) + got

    def recvfrom(self, bufsize, flags=0):
        return self.recv(bufsize, flags), None  # as of any connection

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        return self.recv_into(buffer, nbytes, flags), None

    def recvmsg(self, bufsize, ancbufsize=0, flags=0):
        held = self._held(bufsize, flags)
        if held:
            return held, [], 0, None
        answer = super().recvmsg(bufsize, ancbufsize, flags)
        self._got(len(answer[0]), flags)
        return answer

    def recvmsg_into(self, buffers, ancbufsize=0, flags=0):
        views = [memoryview(b).cast("B") for b in buffers]
        held = self._held(sum(map(len, views)), flags)
        if held:
            at = 0
            for view in views:
                piece = held[at:at + len(view)]
                view[:len(piece)] = piece
                at += len(piece)
            return len(held), [], 0, None
        answer = super().recvmsg_into(buffers, ancbufsize, flags)
        self._got(answer[0], flags)
        return answer

    # --- writing ----------------------------------------------------------------------

    def send(self, data, flags=0, **how):
        self._speak(data)
        return super().send(data, flags, **how)  # timeout: of gevent's own sendall

    def sendall(self, data, flags=0):
        self._speak(data)
        return super().sendall(data, flags)

    def sendto(self, data, *args):
        self._speak(data)
        return super().sendto(data, *args)

    def sendmsg(self, buffers, *args):
        buffers = list(buffers)
        self._speak(b"".join(buffers[:1]))
        return super().sendmsg(buffers, *args)

    def sendfile(self, *args, **kwargs):
        self._speak(b"")
        return super().sendfile(*args, **kwargs)

    # --- the rest that may wait, or that ends it ----------------------------------------

    def fileno(self):
        self._use()
        return super().fileno()

    def setblocking(self, flag):
        self._use()
        super().setblocking(flag)

    def settimeout(self, value):
        self._use()
        super().settimeout(value)

    def makefile(self, *args, **kwargs):
        self._use()
        return super().makefile(*args, **kwargs)

    def shutdown(self, how):
        self._use()
        self._take()
        super().shutdown(how)

    def dup(self):
        self._use()
        self._take()
        other = socket.socket(fileno=os.dup(super().fileno()))
        other.settimeout(self.gettimeout())
        return other

    def detach(self):
        self._use()
        self._take()
        self._behind = b""
        return super().detach()

    def close(self):
        if not self._closed:
            self._use()
            self._take()
            self._behind = b""
        super().close()

    def end(self):
        """The request is over, and this is a closed socket. Gives the descriptor, -1 if it has none."""
        with self._lock:
            self._grant, self._behind = None, b""
            return super().detach()
