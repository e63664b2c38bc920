"""Which socket gunicorn.socket is."""

import os
import socket

from .client_socket import SECURE, ClientSocket


def of_request(fd, grant):
    """The socket of a request; fd stays the caller's. With -1 it is one whose request is over."""
    if fd >= 0:
        facts = grant(SECURE)
        if not facts:
            return ClientSocket(fd, grant)
        from . import secure_socket

        return secure_socket.SecureClientSocket(fd, grant, facts)
    one, other = socket.socketpair()
    with one, other:
        over = ClientSocket(one.fileno(), None)
    os.close(over.end())
    return over
