"""The base of Gunicorn's worker classes: a name to inherit from, for files that do so.

gosrv's workers are not made of it. A setting worker_class that names a subclass is refused
when the server starts.
"""


class Worker:
    pass
