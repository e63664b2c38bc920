"""`manage.py rungosrv [addrport]`: runserver's arguments and output, gosrv's answers."""
import errno
import json
import os
import shlex
import shutil
import socket
import sys

from django.apps import apps
from django.core.management.base import CommandError

from gosrv import devserver
from gosrv.__main__ import PROGRAM, find

if apps.is_installed("django.contrib.staticfiles"):
    from django.contrib.staticfiles.management.commands.runserver import Command as Runserver
else:
    from django.core.management.commands.runserver import Command as Runserver

THREADS = 8  # a page, its assets, and a call of the application to itself
BACKLOG = 2048
SECURE = {"--tls-self-signed", "--certfile", "--tls-certificates", "--acme-domain"}  # options that make an address https
ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


class Command(Runserver):
    """This process becomes gosrv. What else runserver does (checks, greeting, watching for changes) is done where
    the application is loaded, in the worker: see gosrv.devserver."""

    help = "Serves the project by gosrv, the way runserver does: checks, automatic reload, static files."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--gosrv", metavar="OPTIONS", default="", type=shlex.split,
                            help='Further options for gosrv, in one string: --gosrv="--workers 2 --tls-self-signed"')

    def run(self, **options):
        if SECURE & {option.partition("=")[0] for option in options["gosrv"]}:
            self.protocol = "https"  # the greeting's
        program, listener = self.program(), self.listener()
        os.environ["GOSRV_PYTHON"] = sys.executable
        os.environ[devserver.VARIABLE] = json.dumps({
            "path": sys.path, "argv": sys.argv,
            "server": {"addr": self.addr, "port": listener.getsockname()[1], "use_ipv6": self.use_ipv6, "_raw_ipv6": self._raw_ipv6, "protocol": self.protocol},
            "options": {key: value for key, value in options.items() if key not in ("stdout", "stderr", "gosrv")},
        })
        os.set_inheritable(listener.fileno(), True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(program, [program, "gosrv.devserver:make()", *self.arguments(listener.fileno(), options)])

    def arguments(self, fd, options):
        """A production configuration file has no say unless it is named; neither has a time-out, for debuggers. A
        connection that outlived a reload would be answered by the old code once more, so none is kept."""
        threads = THREADS if options["use_threading"] else 1
        package = os.path.dirname(os.path.dirname(devserver.__file__))
        return ["--config", os.devnull, "--workers", "1", "--threads", str(threads), "--timeout", "0", "--keep-alive", "0",
                "--log-level", "warning", "--pythonpath", package, *options["gosrv"], "--bind", "fd://%d" % fd]

    def program(self):
        try:
            return find()
        except SystemExit as missing:
            path = shutil.which(PROGRAM)
            if path is None:
                raise CommandError(str(missing)) from None
            return path

    def listener(self):
        """Bound here, so that its errors are runserver's and a port 0 has a number."""
        listener = socket.socket(socket.AF_INET6 if self.use_ipv6 else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.addr, int(self.port)))
            listener.listen(BACKLOG)
        except OSError as error:
            raise CommandError("Error: %s" % ERRORS.get(error.errno, error)) from None
        return listener

    # --- in the worker --------------------------------------------------------------------

    def load(self, **options):
        """What runserver does at each load; gives the WSGI callable."""
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks...\n\n")
            self.check(display_num_errors=True)
        self.check_migrations()
        return self.get_handler(**options)
