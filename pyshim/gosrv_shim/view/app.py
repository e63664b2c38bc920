"""server.app and worker.app: gunicorn.app.wsgiapp.WSGIApplication by its names."""

import os
import sys

from ..loading import application, conffile


class Application(application.Application):
    """usage, prog and cfg are Gunicorn's; callable is None until the application is loaded."""

    logger = None

    def __init__(self, cfg, named):
        super().__init__(named)
        self.cfg, self.usage, self.prog = cfg, cfg.usage, cfg.prog
        self.app_uri = named if isinstance(named, str) else cfg.paste

    load_wsgiapp = load_pasteapp = application.Application.load

    def chdir(self):
        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)

    def get_config_from_filename(self, filename):
        return conffile.load_file(filename)

    def get_config_from_module_name(self, module_name):
        return conffile.load_module(module_name)

    def load_config_from_module_name_or_filename(self, location):
        """What the file says. The settings that are served with stay as they are."""
        return conffile.load(location, True)[0]

    load_config_from_file = load_config_from_module_name_or_filename

    def init(self, parser, opts, args):
        """The command line is read by the master."""

    def load_default_config(self):
        """The settings are there."""

    do_load_config = load_config = load_default_config

    def reload(self):
        """server.reload() makes the master load all anew."""

    def run(self):
        """It runs already."""
