"""The names of the class gevent: as worker_class they mean gosrv's own."""

from .base import Worker


class GeventWorker(Worker):
    pass


class GeventPyWSGIWorker(GeventWorker):
    pass
