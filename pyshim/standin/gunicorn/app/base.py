"""BaseApplication, for programs that make a server of their own: gosrv --program FILE."""

import os
import sys

from gunicorn import launch
from gunicorn.config import Config


class BaseApplication:
    """load_config() sets what self.cfg is to hold, load() gives the WSGI callable."""

    def __init__(self, usage=None, prog=None):
        self.usage, self.prog = usage, prog
        self.cfg = self.callable = self.logger = None
        self.do_load_config()

    def do_load_config(self):
        try:
            self.load_default_config()
            self.load_config()
        except Exception as e:  # noqa: BLE001 - load_config() is the program's own; said as in Gunicorn
            print("\nError: %s" % e, file=sys.stderr, flush=True)
            sys.exit(1)

    def load_default_config(self):
        self.cfg = Config(self.usage, self.prog)

    def init(self, parser, opts, args):
        raise NotImplementedError

    def load(self):
        raise NotImplementedError

    def load_config(self):
        raise NotImplementedError

    def reload(self):
        """gosrv reloads by running the whole program anew."""
        self.do_load_config()

    def wsgi(self):
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self):
        """Hands over to gosrv; does not return."""
        if "_gosrv" in sys.modules:
            from gosrv_shim.loading import program

            program.take_over(self)
        launch.program()


class Application(BaseApplication):
    """Reads Gunicorn's command line, which is gosrv's own here."""

    def chdir(self):
        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)

    def load_config(self):
        launch.command_line()
