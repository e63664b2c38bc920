"""The control channel: one JSON object a packet over SOCK_SEQPACKET, with descriptors."""

import array
import json
import os
import socket

MAX_PACKET = 128 << 10
MAX_FDS = 128
MAX_TEXT = 48 << 10  # a traceback in a packet; JSON may double its length


class Channel:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.set_inheritable(False)

    def send(self, kind, **fields):
        fields["type"] = kind
        self.socket.send(json.dumps(fields).encode())

    def send_if_room(self, kind):
        """For what need not arrive: a master that does not read holds nobody up."""
        try:
            self.socket.send(json.dumps({"type": kind}).encode(), socket.MSG_DONTWAIT)
        except OSError:
            pass

    def receive(self):
        """Waits for the next message: (dict, [fds]); (None, []) when the peer has gone."""
        space = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(MAX_PACKET, space, socket.MSG_CMSG_CLOEXEC)
                break
            except ConnectionResetError:
                pass  # the peer has left packets of ours unread; said once, before what it has sent
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        if not data:
            return None, []
        return json.loads(data), list(fds)

    def detach(self):
        """Gives the descriptor away."""
        return self.socket.detach()

    def close(self):
        self.socket.close()


def filename(text):
    """A path out of a message, as this Python names files: messages are UTF-8, its locale may be another."""
    return text and os.fsdecode(text.encode(errors="surrogateescape"))


def clip(text):
    """A traceback cut to what a packet holds: the end says what went wrong."""
    if len(text) <= MAX_TEXT:
        return text
    return "[... %d characters left out ...]\n%s" % (len(text) - MAX_TEXT, text[-MAX_TEXT:])


def close_all(fds):
    for fd in fds:
        os.close(fd)
