"""The program `gunicorn` itself, and its application class, which other programs extend."""

from gunicorn import launch, util
from gunicorn.app.base import Application


class WSGIApplication(Application):
    """A subclass sets app_uri and has a load_config() of its own."""

    app_uri = None

    def init(self, parser, opts, args):
        self.app_uri = args[0] if args else None

    def load_wsgiapp(self):
        return util.import_app(self.app_uri)

    def load(self):
        return self.load_wsgiapp()


def run(prog=None):
    launch.command_line()


if __name__ == "__main__":
    run()
