"""The name of the class sync: as worker_class it means gosrv's own."""

from .base import Worker


class SyncWorker(Worker):
    pass
