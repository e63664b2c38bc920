"""Gunicorn's master. gosrv's is not made of Python: the name is here for annotations and checks."""


class Arbiter:
    WORKER_BOOT_ERROR = 3
    APP_LOAD_ERROR = 4

    def __init__(self, app=None):
        raise RuntimeError("gosrv has no Arbiter to be started by hand: call run() of the application,"
                           " or start the program by gosrv --program FILE")
