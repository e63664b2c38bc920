"""What the documentation says holds: its links lead somewhere, its commands run, its transcript is what one sees."""
import json
import re
import shutil

import pytest

import authority
import harness
import pages

pytestmark = [pytest.mark.gosrv_only("the pages are gosrv's"), pytest.mark.not_green("the pages name their class")]
PAGES = {pages.name(path): path.read_text() for path in pages.pages()}
# Commands that this test cannot run as they stand, with the test that runs what they say; the rest is run here.
ELSEWHERE = {
    r"(venv/bin/)?gosrv (reload|stop|upgrade|status)\b": "test_orders.py::test_reload",
    r"gosrv top\b": "test_top.py::test_what_a_worker_is_at_is_seen",
    r"gosrv install-stub\b": "test_install_stub.py::test_both_forms_start_gosrv_until_it_is_undone",
    r"gosrv import-uwsgi\b|gosrv --check-config$": "test_import_uwsgi.py",  # the latter with the file that the former made
    r"gosrv --program\b": "test_config_programs.py",
    r"(venv/bin/)?gosrv --version --verbose$": "test_static_python.py",
    r"gosrv completion\b": "test_manual.py::test_completion",
    r"source <": "test_manual.py::test_completion",
    r"pip install": "test_wheel.py::test_the_environment_gosrv_lies_in_serves",
    r"python manage.py rungosrv": "test_rungosrv.py",
    r"docker build|docker run": "test_containers.py::test_as_the_page_says",
    r"opentelemetry-bootstrap |OTEL_SERVICE_NAME=shop opentelemetry-instrument ": "test_tools.py::test_opentelemetry_instrument",
    r"kubectl apply": "test_deploy_examples.py",
    r"curl -i http://127.0.0.1:8000/$": "test_docs.py::test_the_transcript",
    r"cd /srv/myproject \|\| exit 1$|exec chpst -u www-data venv/bin/gosrv |exec svlogd ": "test_supervisors.py::test_runit_starts",
}
APP = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

app = application
def create_app():
    return application
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the applications and certificates that the pages name."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("app", "shop", "status"):
        (folder / (name + ".py")).write_text(APP)
    for name in ("myproject", "example"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("")
        (folder / name / "wsgi.py").write_text(APP)
    certificate, key = authority.usual()
    (folder / "certs").mkdir()
    for name in ("cert.pem", "main.pem", "shop.pem", "certs/other.pem"):
        shutil.copy(certificate, folder / name)
    for name in ("key.pem", "main.key", "shop.key", "certs/other.key"):
        shutil.copy(key, folder / name)
    return folder


# -- links ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    here = harness.ROOT / page
    wrong = []
    for link in pages.links(PAGES[page]):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (here.parent / path).resolve() if path else here
        if not target.exists():
            wrong.append(link)
        elif anchor and target.suffix == ".md" and anchor not in pages.anchors(target.read_text()):
            wrong.append(link)
    assert not wrong


def test_the_site_has_every_page_and_no_other():
    menu = (harness.ROOT / "cmd" / "gosrv" / "site" / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = set(re.findall(r"[\w/-]+\.md", menu))
    assert {path.relative_to(pages.DOCS).as_posix() for path in pages.DOCS.rglob("*.md")} <= listed


# -- commands ------------------------------------------------------------------------------------------------------

def shown():
    for page, text in PAGES.items():
        if page.startswith(("tests/", "CONTRIBUTING", "CHANGELOG")) or page.endswith("DESIGN.md"):
            continue
        for words in pages.commands(text):
            yield pytest.param(words, id="%s: %s" % (page, " ".join(words)))


@pytest.mark.parametrize("words", list(shown()))
def test_commands_run(words, project):
    line = " ".join(words)
    for pattern, where in ELSEWHERE.items():
        if re.match(pattern, line):
            name, _, test = where.partition("::")
            assert "def %s" % test in (harness.ROOT / "tests" / "e2e" / name).read_text(), "%s is gone: which test runs this command now?" % where
            return
    if words[0] == "make":
        assert re.search(r"^%s:" % words[1], (harness.ROOT / "Makefile").read_text(), re.M)
        return
    assert words[0] in ("gosrv", "venv/bin/gosrv"), "no test runs this command: let one, and name it in ELSEWHERE"
    words = words[1:words.index("|") if "|" in words else None]
    if words[0] == "help" or set(words) & {"--help", "--version", "--check-config", "--print-config"}:
        served = []
    else:
        served = ["--check-config"]
    done = harness.run_once(*words, *served, cwd=project, env={"HOME": project, "XDG_CACHE_HOME": project / "cache", "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None, "XDG_DATA_HOME": None})
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "WARNING" not in done.stderr, done.stderr


@pytest.mark.parametrize("page", ["cmd/gosrv/docs/deploy/docker.md", "cmd/gosrv/docs/deploy/alpine.md"])
def test_images_run_what_is_in_them(page, project):
    """Files are there before they are used, and the command serves."""
    block = next(block for language, block in pages.blocks(PAGES[page]) if language == "dockerfile")
    orders = [line.partition(" ")[::2] for line in block.splitlines()]
    copied = [text.split()[0] for order, text in orders[:[order for order, _ in orders].index("RUN")] if order == "COPY"]
    assert "requirements.txt" in copied
    command = json.loads(dict(orders)["CMD"])
    done = harness.run_once(*command[1:], "--check-config", cwd=project)
    assert command[0] == "gosrv" and done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", ["README.md", "cmd/gosrv/docs/index.md"])
def test_the_transcript(start, project, page):
    """What the page says that one sees is what one sees, but for times, process ids, the port and Python."""
    block = next(block for language, block in pages.blocks(PAGES[page]) if language == "console")
    command = next(words for words in pages.commands(PAGES[page]) if words[0] == "gosrv")
    server = start(*command[1:], cwd=project, log_level="info", balance=False)
    server.wait_workers(2)
    assert server.get().status_code == 200

    def without_details(text):
        lines = [re.sub(r"^\[\d.*?\] (\[\d+\] )?(?=\[INFO\])", "", line) for line in text.splitlines() if "[INFO]" in line]
        lines = [re.sub(r"with Python .*", "with Python", re.sub(r":\d+ \(\d+\)|(?<=pid: )\d+", "", line)) for line in lines]
        return [re.sub(r"Settings from: .*", "Settings from:", line) for line in lines]

    wanted = without_details(block)
    server.wait_log(r"(?s)Booting worker.*Booting worker")
    assert without_details(server.log)[:len(wanted)] == wanted and len(wanted) == 7


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx on this machine")
def test_the_nginx_block_is_the_examples():
    """The page shows part of the file that test_deploy_examples starts."""
    example = (harness.ROOT / "cmd" / "gosrv" / "examples" / "nginx.conf").read_text()
    block = next(block for language, block in pages.blocks(PAGES["cmd/gosrv/docs/deploy/nginx.md"]) if language == "nginx")
    for line in filter(None, map(str.strip, block.splitlines())):
        assert line in example, line


@pytest.mark.parametrize("page", ["cmd/gosrv/docs/deploy/systemd.md"])
def test_the_unit_is_the_examples(page):
    example = (harness.ROOT / "cmd" / "gosrv" / "examples" / "systemd" / "example.service").read_text()
    block = next(block for language, block in pages.blocks(PAGES[page]) if language == "ini")
    for line in filter(None, map(str.strip, block.splitlines())):
        key, _, value = line.partition("=")
        assert line in example or key == "ExecStart" and value.split()[0] in example, line
