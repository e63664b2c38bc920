"""The name of the class eventlet: as worker_class it means gosrv's own."""

from .base import Worker


class EventletWorker(Worker):
    pass
