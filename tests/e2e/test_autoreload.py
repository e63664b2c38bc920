"""--reload: a changed source file brings new workers. --spew prints what runs."""
import os

import pytest

from test_reload import APP, site  # noqa: F401
from waiting import wait_for


def newer(path):
    """Make a file look written later, whatever the resolution of its file system's times."""
    then = os.stat(path).st_mtime + 10
    os.utime(path, (then, then))


@pytest.mark.parametrize("args", [(), ("--threads", "2"), ("--reload-engine", "poll")], ids=["sync", "threads", "poll"])
def test_changed_code_is_served(start, site, args):  # noqa: F811
    server = start("mine", "--reload", *args, cwd=site.folder, balance=False)
    server.wait_log("Reloader is on. Use in development only!")
    site.answer("second")
    newer(site.folder / "mine.py")
    wait_for(lambda: server.get().text == "second", "new code")
    assert "mine.py modified" in server.log


@pytest.mark.gosrv_only("Gunicorn takes the edit for what it has imported")
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["worker", "preload"])
def test_an_edit_before_the_first_look_at_the_files_is_seen(start, site, preload):  # noqa: F811
    site.source(APP % "new")
    edit = (site.folder / "mine.py").rename(site.folder / "edit")
    newer(edit)
    site.source(APP % "old" + "import os\nif os.path.exists('edit'): os.rename('edit', __file__)\n")
    server = start("mine", "--reload", *preload, cwd=site.folder, balance=False)
    wait_for(lambda: server.get().text == "new", "the edited code")


@pytest.mark.gosrv_only("Gunicorn's sync worker keeps no connection, its threads keep theirs")
@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_a_browser_sees_the_new_code_at_once(start, site, args):  # noqa: F811
    """A kept connection would get one more answer of the old worker; so none is kept, unless --keep-alive says so."""
    server = start("mine", "--reload", *args, cwd=site.folder, balance=False)
    with server.wire() as wire:
        assert wire.get("/").get("Connection") == "close"
    server = start("mine", "--reload", "--keep-alive", "9", *args, cwd=site.folder, balance=False)
    with server.wire() as wire:
        assert [wire.get("/").body for _ in range(2)] == [b"first"] * 2


@pytest.mark.gosrv_only("Gunicorn serves the old code with --preload")
def test_changed_code_is_served_with_preload(start, site):  # noqa: F811
    server = start("mine", "--reload", "--preload", "-w", "2", cwd=site.folder, balance=False)
    site.source("def broken(:\n")
    newer(site.folder / "mine.py")
    server.wait_log("Reload failed")
    assert server.get().text == "first"
    site.answer("second")
    newer(site.folder / "mine.py")
    newer(site.folder / "mine.py")
    wait_for(lambda: server.get().text == "second", "new code")


def test_a_syntax_error_is_shown_and_repaired(start, site):  # noqa: F811
    server = start("mine", "--reload", cwd=site.folder, balance=False)
    site.source("def broken(:\n")
    newer(site.folder / "mine.py")
    wait_for(lambda: server.get().status_code == 500, "the error")
    said = server.get().text
    assert "SyntaxError" in said and "def broken(:" in said
    site.answer("repaired")
    os.utime(site.folder / "mine.py", (2e9, 2e9))
    wait_for(lambda: server.get().text == "repaired", "repaired code")


def test_an_extra_file(start, site):  # noqa: F811
    extra = site.folder / "page.html"
    extra.write_text("a")
    server = start("mine", "--reload", "--reload-extra-file", extra, cwd=site.folder, balance=False)
    old = server.wait_workers(1)
    server.wait_log("Reloader is on")
    server.get()
    newer(extra)
    server.wait_workers(1, without=old)
    server.wait_log("page.html modified")


def test_a_file_that_a_pattern_finds_later(start, site):  # noqa: F811
    pattern = str(site.folder / "*.html")
    (site.folder / "one.html").write_text("a")
    server = start("mine", "--reload", "--reload-extra-file", pattern, cwd=site.folder, balance=False)
    old = server.wait_workers(1)
    late = site.folder / "late.html"
    late.write_text("b")

    def touched():
        newer(late)  # again and again: its first sight sets the time that later ones are compared with
        return set(server.worker_pids()) - set(old)

    wait_for(touched, "another worker")
    server.wait_log("late.html modified")


def test_spew(start, site):  # noqa: F811
    server = start("mine", "--spew", cwd=site.folder, balance=False, env={"PYTHONUNBUFFERED": "1"})
    server.get()
    wait_for(lambda: 'start_response("200 OK"' in server.out, lambda: "the application's lines in %s" % server.out[-500:])
