"""gunicorn.socket over TLS: the methods that an SSLSocket has beside a socket's, and the plain text for who takes it over."""

import base64
import json
import os

from .client_socket import TAKE, TUNNEL, ClientSocket, Socket


class SecureClientSocket(ClientSocket):
    """What an application asks of ssl.SSLSocket: getpeercert(), cipher(), version(), the protocol agreed on.

    Before it reads or writes, the connection is its own, by the end of a tunnel that has the number of this socket's
    descriptor; so unlike with a plain connection the server cannot answer after a byte was asked for."""

    __slots__ = ("_facts", "_names")

    server_side = True
    context = session = None
    session_reused = False

    def __init__(self, fd, grant, facts):
        super().__init__(fd, grant)
        self._facts = json.loads(facts)
        self._names = Socket.getsockname(self), Socket.getpeername(self)

    def getpeercert(self, binary_form=False):
        """None: the client has shown none. Bytes with binary_form, else the ssl module's dictionary."""
        der = base64.b64decode(self._facts["certificate"] or "")
        if not der:
            return None
        return der if binary_form else decoded(der)

    def cipher(self):
        return self._facts["cipher"], self._facts["version"], self._facts["bits"]

    def shared_ciphers(self):
        return [self.cipher()]

    def version(self):
        return self._facts["version"]

    def selected_alpn_protocol(self):
        return self._facts["alpn"] or None

    def selected_npn_protocol(self):
        return None

    def compression(self):
        return None

    def pending(self):
        return len(self._behind)

    def do_handshake(self, block=False):
        """It was done before the request came."""

    def unwrap(self):
        raise OSError("gosrv ends TLS when this socket is closed; unwrap() is not supported")

    def getsockname(self):
        return self._names[0]

    def getpeername(self):
        return self._names[1]

    def _use(self):
        """The descriptor is the server's until a byte is read or written: nothing about it is changed."""

    def _take(self, what=TAKE):
        with self._lock:
            grant = self._grant
            if grant is None:
                return
            behind = grant(TAKE)
            tunnel = int(grant(TUNNEL))
            timeout, waits = self.gettimeout(), os.get_blocking(Socket.fileno(self))
            os.set_blocking(tunnel, waits)  # those of gevent and eventlet never do, whatever their timeout
            os.dup2(tunnel, Socket.fileno(self), False)
            os.close(tunnel)
            self._grant, self._behind = None, behind
        self.settimeout(timeout)

    def _held(self, size, flags):
        self._take()
        return super()._held(size, flags)

    def _speak(self, data):
        self._take()


def decoded(der):
    """The dictionary that ssl.SSLSocket.getpeercert() gives: the ssl module reads a file for that."""
    import _ssl
    import ssl
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        return _ssl._test_decode_cert(file.name)
