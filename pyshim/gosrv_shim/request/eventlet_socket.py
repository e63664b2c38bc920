"""eventlet's sockets hold a real one and have its methods in each instance, where a subclass cannot reach them."""

from eventlet.greenio import GreenSocket
from eventlet.hubs import notify_opened
from eventlet.patcher import original

IN_INSTANCES = ("bind", "close", "fileno", "getsockname", "getsockopt", "listen", "setsockopt", "shutdown")


class WholeSocket(GreenSocket):
    """A GreenSocket with methods of its class only."""

    def __init__(self, fileno):
        super().__init__(original("socket").socket(fileno=fileno))
        notify_opened(fileno)
        for name in IN_INSTANCES:
            vars(self).pop(name, None)

    def fileno(self):
        return self.fd.fileno()

    def shutdown(self, how):
        self.fd.shutdown(how)

    def detach(self):
        self._mark_as_closed()
        return self.fd.detach()

    def close(self):
        self._mark_as_closed()
        self.fd.close()
