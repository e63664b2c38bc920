"""What the worker of `manage.py rungosrv` imports: the project's application with what runserver puts around it."""
import html
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from datetime import datetime

VARIABLE = "_GOSRV_RUNGOSRV"  # the command's message, JSON
log = logging.getLogger("django.server")


class AccessLog:
    """One line an answer, by the logger and with the attributes that runserver uses: a project may format them."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        line = "%s %s %s" % (environ["REQUEST_METHOD"], environ["RAW_URI"], environ["SERVER_PROTOCOL"])
        answer = Answer(line, environ)

        def start(status, headers, *exc_info):
            answer.status = status[:3]
            return start_response(status, headers, *exc_info)

        answer.result = self.application(environ, start)
        if isinstance(answer.result, environ["wsgi.file_wrapper"]):
            # Handed on as it is: the file goes out by sendfile.
            answer.sent = file_size(answer.result)
            answer.close_result = getattr(answer.result, "close", None)
            answer.result.close = answer.close
            return answer.result
        return answer


class Answer:
    """The application's iterable, counted; logged when the server closes it."""

    def __init__(self, line, environ):
        self.line, self.environ = line, environ
        self.status, self.sent = "-", 0
        self.result = self.close_result = None

    def __iter__(self):
        self.close_result = getattr(self.result, "close", None)
        for piece in self.result:
            self.sent += len(piece)
            yield piece

    def close(self):
        try:
            close = self.close_result or getattr(self.result, "close", None)
            if close is not None:
                close()
        finally:
            self.log()

    def log(self):
        extra = {"server_time": time.strftime("%d/%b/%Y %H:%M:%S"), "request": self.environ}
        level = logging.INFO
        if self.status.isdigit():
            extra["status_code"] = int(self.status)
            level = logging.ERROR if self.status >= "500" else logging.WARNING if self.status >= "400" else logging.INFO
        sent = 0 if self.environ["REQUEST_METHOD"] == "HEAD" else self.sent
        log.log(level, '"%s" %s %s', self.line, self.status, sent, extra=extra)


def file_size(wrapper):
    try:
        return os.fstat(wrapper.filelike.fileno()).st_size
    except (AttributeError, OSError, ValueError):
        return "-"


def failing(error):
    """Shown until an edit repairs what was wrong with the last one."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    body = ("<!doctype html><title>%s</title><h1>The project does not load</h1><p>It is loaded again when a file changes."
            "<pre>%s</pre>" % (html.escape(type(error).__name__), html.escape(text))).encode()

    def application(environ, start_response):
        start_response("500 Internal Server Error", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def greet(command, django_version, settings_module):
    """runserver's words: editors look for them."""
    address = "[%s]" % command.addr if command._raw_ipv6 else "0.0.0.0" if command.addr == "0" else command.addr
    command.stdout.write("%s\nDjango version %s, using settings %r\nStarting development server at %s://%s:%s/\nQuit the server with CONTROL-C."
                         % (datetime.now().strftime("%B %d, %Y - %X"), django_version, settings_module, command.protocol, address, command.port))
    command.stdout.flush()


def watch(autoreload):
    """Django's own reloader, in a thread: it knows of templates and translations, which need no new process. For
    anything else this worker goes, and its successor loads the project anew."""
    reloader = autoreload.get_reloader()
    autoreload.logger.info("Watching for file changes with %s", type(reloader).__name__)

    def run():
        try:
            reloader.run(threading.Thread())  # one that does not live: nobody waits for it to load the apps
        except SystemExit:  # Django's trigger_reload
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=run, name="reloader", daemon=True).start()


def make():
    """The application. With the reloader on, an error is shown and waits for an edit, as under runserver."""
    message = json.loads(os.environ.pop(VARIABLE))
    sys.path[:] = message["path"]
    sys.argv[:] = message["argv"]
    options = message["options"]
    if options["use_reloader"]:
        os.environ["RUN_MAIN"] = "true"  # what projects ask to know that this is the process that serves
    import django
    from django.conf import settings
    from django.utils import autoreload

    application = None

    def load():
        nonlocal application
        django.setup()
        from gosrv.management.commands.rungosrv import Command

        command = Command(no_color=options["no_color"], force_color=options["force_color"])
        for name, value in message["server"].items():
            setattr(command, name, value)
        application = AccessLog(command.load(**options))
        greet(command, command.get_version(), settings.SETTINGS_MODULE)

    if not options["use_reloader"]:
        load()
        return application
    try:
        autoreload.check_errors(load)()  # which remembers the file in which it has failed, to watch it
    except Exception as error:  # noqa: BLE001 - the project's own modules: shown, answered with, and tried again when a file changes
        traceback.print_exc()
        sys.stderr.flush()
        application = failing(error)
    watch(autoreload)
    return application
