"""Gunicorn's exceptions, by the names that hooks and programs raise and catch."""


class HaltServer(BaseException):
    """No application is to catch it: a BaseException."""

    def __init__(self, reason, exit_status=1):
        super().__init__(reason)
        self.reason, self.exit_status = reason, exit_status

    def __str__(self):
        return "<HaltServer %r %d>" % (self.reason, self.exit_status)


class ConfigError(Exception):
    """A setting that cannot be used."""


class AppImportError(Exception):
    """The module is there, but no application in it."""
