"""`manage.py rungosrv`: what runserver prints, checks, serves and reloads, on gosrv."""
import os
import re
import signal
import socket
import subprocess
import textwrap

import pytest
import requests

import harness
import procs
from test_autoreload import newer
from waiting import TimedOut, wait_for

pytestmark = [pytest.mark.gosrv_only("Gunicorn has no such command"), pytest.mark.not_green("the command has no such option")]
WHEEL = harness.ROOT / "pyshim" / "wheel"

FILES = {
    "manage.py": """
        import os
        import sys

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps"))
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    """,
    "project/__init__.py": "",
    "project/settings.py": """
        import os
        from pathlib import Path

        BASE_DIR = Path(__file__).resolve().parent.parent
        SECRET_KEY = "for tests only"
        DEBUG = os.environ.get("LIVE") is None
        ALLOWED_HOSTS = ["*"]
        ROOT_URLCONF = "project.urls"
        WSGI_APPLICATION = "project.wsgi.application"
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.staticfiles", "gosrv", "pages"]
        TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "templates"]}]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
        STATIC_URL = "/static/"
        STATICFILES_DIRS = [BASE_DIR / "static"]
        # Where Django says which files it has begun to watch: an edit before that goes unnoticed.
        LOGGING = {
            "version": 1, "disable_existing_loggers": False,
            "handlers": {"watched": {"class": "logging.FileHandler", "filename": BASE_DIR / "watched.log"}},
            "loggers": {"django.utils.autoreload": {"handlers": ["watched"], "level": "DEBUG"}},
        }
    """,
    "project/wsgi.py": """
        from django.core.wsgi import get_wsgi_application

        application = get_wsgi_application()
    """,
    "project/urls.py": """
        from django.urls import path
        from pages import views

        urlpatterns = [path("", views.home), path("template", views.template), path("facts", views.facts), path("error", views.error)]
    """,
    # Outside the project's folder, in a path that only manage.py knows.
    "apps/pages/__init__.py": "",
    "apps/pages/views.py": """
        import os
        import sys

        from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
        from django.shortcuts import render

        def home(request):
            return HttpResponse("first")

        def template(request):
            return render(request, "page.html", {"pid": os.getpid()})

        def facts(request):
            return JsonResponse({"pid": os.getpid(), "argv": sys.argv[1:], "main": os.environ.get("RUN_MAIN"),
                                 "threads": request.META["wsgi.multithread"], "private": "_GOSRV_RUNGOSRV" in os.environ})

        def error(request):
            raise ValueError("on purpose")
    """,
    "templates/page.html": "one {{ pid }}",
    "static/site.css": "body { color: black }",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder for PATH that holds the program under its name."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "gosrv").symlink_to(harness.binary())
    return folder


class Site:
    """The project in a folder of its own, and the command run in it."""

    def __init__(self, folder, programs):
        self.folder, self.programs, self.process = folder, programs, None
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(text))

    def environment(self, **changes):
        path = "%s:%s" % (self.programs, os.environ["PATH"])
        return harness.environment(**{"PYTHONPATH": WHEEL, "PATH": path, "DJANGO_SETTINGS_MODULE": None, "PYTHONUNBUFFERED": None, **changes})

    def argv(self, *args):
        return [harness.python(), str(self.folder / "manage.py"), "rungosrv", *args]

    def run(self, *args, **env):
        """Where the command is expected to end by itself."""
        return subprocess.run(self.argv(*args), cwd=self.folder, env=self.environment(**env), capture_output=True, text=True, timeout=60)

    def start(self, *args, cwd=None, **env):
        with open(self.folder / "out", "wb") as out, open(self.folder / "err", "wb") as err:
            self.process = subprocess.Popen(self.argv(*args or ("0",)), cwd=cwd or self.folder, env=self.environment(**env),
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        greeting = r"Starting development server at (https?://\S+:\d+)/\nQuit the server with CONTROL-C\.\n"
        self.url = self.wait(greeting).group(1)
        return self

    @property
    def out(self):
        return (self.folder / "out").read_text()

    @property
    def err(self):
        return (self.folder / "err").read_text()

    def wait(self, pattern):
        """Wait until stdout and stderr together match; a command that has ended says no more."""

        def look():
            ended = self.process.poll() is not None
            found = re.search(pattern, self.out + self.err)
            if not found and ended:
                raise AssertionError("ended with %d:\n%s\n%s" % (self.process.returncode, self.out, self.err))
            return found

        try:
            return wait_for(look, pattern, 30)
        except TimedOut as late:
            raise TimedOut("%s\n%s\n%s" % (late, self.out, self.err)) from None

    def get(self, path="/", **kw):
        return requests.get(self.url + path, timeout=30, **kw)

    def edit(self, name, old, new):
        """Change a file once it is being watched by the newest worker."""
        path = self.folder / name
        self.wait("Watching for file changes")
        watched = lambda: (self.folder / "watched.log").read_text().count("File %s first seen" % path)
        wait_for(lambda: watched() >= self.err.count("Watching for"), lambda: "%s being watched\n%s" % (path, self.err), 30)
        self.write(name, old, new)

    def write(self, name, old, new):
        """Change a file in one step, as editors do, and make it look newer, whatever the resolution of times."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        beside = path.with_suffix(".new")
        beside.write_text(text.replace(old, new))
        os.utime(beside, (os.stat(path).st_mtime,) * 2)
        beside.rename(path)
        newer(path)

    def interrupt(self):
        """Ctrl-C in the terminal; gives the exit code, with nothing left behind."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(30)
        wait_for(lambda: not procs.group(self.process.pid), lambda: "no process left: %s" % procs.group(self.process.pid))
        return code

    def end(self):
        if self.process is not None and self.process.poll() is None:
            for proc in procs.group(self.process.pid):
                procs.kill(proc.pid)
            self.process.wait(10)


@pytest.fixture
def site(tmp_path, programs):
    made = Site(tmp_path, programs)
    yield made
    made.end()


@pytest.mark.matrix
def test_a_session(site):
    site.start()
    said = site.out
    assert said.startswith("Performing system checks...\n\nSystem check identified no issues (0 silenced).\n"), said
    assert "unapplied migration(s)" in said and "Run 'python manage.py migrate'" in said
    assert re.search(r"\n\w+ \d+, \d+ - [\d:]+\nDjango version [\d.]+, using settings 'project.settings'\nStarting", said)
    site.wait("Watching for file changes with StatReloader")
    assert site.get().text == "first"
    assert site.get("/static/site.css").text == FILES["static/site.css"]
    (site.folder / "static" / "late.css").write_text("late")
    assert site.get("/static/late.css").text == "late"
    assert "Using the URLconf defined in" in site.get("/nowhere").text  # the debug page
    assert "on purpose" in site.get("/error").text
    # The logger's lines, as runserver's: time, request, status, bytes.
    line = r'\[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] "GET %s HTTP/1.1" %d %s\n'
    for path, status, size in (("/", 200, 5), (r"/static/site\.css", 200, 21), ("/nowhere", 404, r"\d+"), ("/error", 500, r"\d+")):
        site.wait(line % (path, status, size))
    site.edit("apps/pages/views.py", "first", "second")
    wait_for(lambda: site.get().text == "second", "the new code", 30)
    assert "views.py changed, reloading." in site.err and site.out.count("Starting development server") == 2
    assert site.interrupt() == 0
    assert site.err.count("Traceback") == 1, site.err  # /error's own


def test_the_process_is_as_under_runserver(site, tmp_path_factory):
    site.start("localhost:0", cwd=tmp_path_factory.mktemp("elsewhere"))
    facts = site.get("/facts").json()
    assert facts == {"pid": facts["pid"], "argv": ["rungosrv", "localhost:0"], "main": "true", "threads": True, "private": False}
    assert facts["pid"] != site.process.pid and procs.Proc(site.process.pid).title.startswith("gosrv: master")
    assert site.interrupt() == 0


@pytest.mark.parametrize("old, new, shown", [
    ("def home(request):", "def home(request:", "SyntaxError"),
    ("import os\n", "import os\nimport no_such_module\n", "No module named &#x27;no_such_module&#x27;"),
], ids=["syntax", "import"])
def test_a_broken_edit_is_shown_and_repaired(site, old, new, shown):
    site.start()
    site.edit("apps/pages/views.py", old, new)
    wait_for(lambda: site.get().status_code == 500, lambda: "the error page\n%s\n%s" % (site.out, site.err), 30)
    assert shown in site.get().text
    site.wait("Traceback")
    site.edit("apps/pages/views.py", new, old)
    wait_for(lambda: site.get().status_code == 200, "the repaired code", 30)
    assert site.process.poll() is None


def test_a_template_needs_no_new_process(site):
    site.start()
    first, pid = site.get("/template").text.split()
    site.edit("templates/page.html", "one", "two")
    wait_for(lambda: site.get("/template").text == "two " + pid, "the new template", 30)
    assert first == "one" and "reloading" not in site.err


def test_without_debug(site):
    """No static files and no debug pages, unless asked for; --noreload ends with the error that it meets."""
    site.start("0", "--noreload", "--nothreading", LIVE="1")
    assert site.get("/static/site.css").status_code == 404 and "URLconf" not in site.get("/nowhere").text
    facts = site.get("/facts").json()
    assert facts["main"] is None and not facts["threads"] and "Watching" not in site.err
    assert site.interrupt() == 0
    site.start("0", "--noreload", "--insecure", LIVE="1")
    assert site.get("/static/site.css").status_code == 200
    assert site.interrupt() == 0
    site.write("project/urls.py", "urlpatterns", "import no_such_module\nurlpatterns")
    done = site.run("0", "--noreload")
    assert done.returncode == 3 and "No module named 'no_such_module'" in done.stderr


def test_what_cannot_be_served(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = site.run(str(taken.getsockname()[1]))
        assert (done.returncode, done.stderr) == (1, "CommandError: Error: That port is already in use.\n")
    assert "is not a valid port number" in site.run("12x").stderr
    done = site.run("0", PATH="/nonexistent")
    assert done.returncode == 1 and "gosrv: hint: install it again" in done.stderr


def test_https_at_home(site, tmp_path):
    site.start("0", "--gosrv=--tls-self-signed", XDG_CACHE_HOME=str(tmp_path))
    assert site.url.startswith("https://127.0.0.1:")
    assert requests.get(site.url + "/", verify=str(tmp_path / "gosrv" / "self-signed.pem"), timeout=20).status_code == 200
    assert site.interrupt() == 0


def test_options_of_gosrv(site):
    site.start("0", "--gosrv=--workers 2 --access-logfile -")
    workers = lambda: [p for p in procs.children(site.process.pid) if p.title.startswith("gosrv: worker")]
    wait_for(lambda: len(workers()) == 2, "two workers")
    site.get("/?asked")
    site.wait(r'- - \[.*\] "GET /\?asked HTTP/1.1" 200 5 ')
    assert site.interrupt() == 0
    done = site.run("0", "--gosrv=--wrokers 2")
    assert done.returncode == 2 and "--workers" in done.stderr
