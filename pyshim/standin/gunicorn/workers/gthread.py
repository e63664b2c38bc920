"""The name of the class gthread: as worker_class it means gosrv's own."""

from .base import Worker


class ThreadWorker(Worker):
    pass
