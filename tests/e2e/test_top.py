"""gosrv top, in a terminal of tmux."""
import os
import re
import shlex
import shutil
import subprocess

import pytest

import harness
from test_orders import order
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn has no such view"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]


class Terminal:
    """One terminal of its own tmux server, in which a command runs."""

    def __init__(self, folder, argv, width, height, **env):
        self.base = ["tmux", "-L", "gosrv", "-f", "/dev/null"]
        self.env = dict(os.environ, TMUX_TMPDIR=str(folder), TERM="xterm-256color", **env)
        self.env.pop("TMUX", None)
        self.run("new-session", "-d", "-x", str(width), "-y", str(height), shlex.join(map(str, argv)) + "; echo LEFT; cat")

    def run(self, *args):
        return subprocess.run(self.base + list(args), env=self.env, capture_output=True, text=True, check=True, timeout=20).stdout

    def screen(self, *flags):
        return self.run("capture-pane", "-p", *flags)

    def keys(self, *names):
        self.run("send-keys", *names)

    def shows(self, pattern):
        return wait_for(lambda: re.search(pattern, self.screen()), lambda: "%s on\n%s" % (pattern, self.screen()))

    def close(self):
        subprocess.run(self.base + ["kill-server"], env=self.env, stderr=subprocess.DEVNULL, timeout=20)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def begin(argv, width=80, height=24, **env):
        opened.append(Terminal(tmp_path, argv, width, height, **env))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def watched(start, tmp_path, terminal):
    def begin(*args, width=80, height=24, **env):
        gate = tmp_path / "gate"
        server = start("sleeping", "--pid", tmp_path / "pid", *args, env={"GATE": str(gate)})
        return server, gate, terminal([harness.binary(), "top", "--pid", tmp_path / "pid"], width, height, **env)

    return begin


def test_what_a_worker_is_at_is_seen(watched):
    server, gate, screen = watched("--workers", "2")
    with server.wire() as wire:
        wire.send(b"GET /gate?secret HTTP/1.1\r\nHost: a\r\n\r\n")
        screen.shows(r"busy +\d\S* +1 .*GET /gate\s")
        assert "secret" not in screen.screen()
        lines = screen.screen().split("\n")
        assert len(lines) <= 25 and all(len(line) <= 80 for line in lines)
        gate.touch()
        assert wire.answer().status == 200
    screen.shows(r" 200 GET /gate\s")  # among the slowest
    screen.keys("q")
    screen.shows("LEFT")


@pytest.mark.not_green("a greenlet that waits is on no thread's stack")
def test_the_stack_of_a_worker_and_its_client(watched):
    """One that keeps the GIL, too: nobody in the worker has to answer."""
    server, gate, screen = watched("--workers", "2", width=120)
    with server.wire() as wire:
        wire.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
        port = wire.sock.getsockname()[1]
        screen.shows(r"busy .*GET /gate  127\.0\.0\.1:%d" % port)
        screen.keys("s")  # by time: the busy one is the first
        screen.shows("sort: time")
        screen.keys("k", "k")
        screen.shows(r"\d+: for \S+, from 127\.0\.0\.1:%d: GET /gate" % port)
        for _ in range(2):
            screen.keys("t")
            screen.shows(r"Python stacks of process \d+")
            screen.shows(r'File ".*sleeping\.py", line \d+ in application')
        screen.keys("q")
        screen.shows("q leave")
        gate.touch()
        assert wire.answer().status == 200
    screen.shows(r" 200 GET /gate\s")
    screen.keys("q")
    screen.shows("LEFT")


def test_rows_are_sorted_and_stand_still(watched):
    server, _, screen = watched("--workers", "2")
    for word in ("time", "requests", "memory", "worker"):
        screen.keys("s")
        screen.shows("sort: " + word)
    screen.keys("p")
    screen.shows("paused")
    server.get("/")
    before = screen.screen()
    assert "paused" in before
    screen.keys("p")
    wait_for(lambda: "paused" not in screen.screen(), "the end of the pause")
    screen.keys("-", "y")
    screen.shows("TTOU was sent")
    server.wait_workers(1)


def test_orders_are_given_behind_a_question(watched):
    server, _, screen = watched("--workers", "1")
    screen.shows("q leave")
    screen.keys("+")
    screen.shows(r"One worker more\? y/n")
    screen.keys("n")
    screen.shows("not done")
    screen.keys("+")
    screen.shows(r"y/n")
    screen.keys("y")
    screen.shows("TTIN was sent")
    server.wait_workers(2)
    screen.keys("r", "y")
    server.wait_log("Generation 2 serves")
    screen.shows("generation 2")


@pytest.mark.parametrize("width, height", [(30, 6), (200, 60), (20, 3)])
def test_windows_of_any_size(watched, width, height):
    _, _, screen = watched("--workers", "3", width=width, height=height)
    screen.shows("sleeping" if width > 20 else "the window")
    screen.run("resize-window", "-x", "80", "-y", "24")
    screen.shows("q leave")


def test_no_colours_where_none_are_wanted(watched):
    _, _, screen = watched(NO_COLOR="1")
    screen.shows("q leave")
    assert not re.search("\x1b\\[[0-9;]*3[0-7]m", screen.screen("-e"))


def test_without_a_server_or_a_terminal(tmp_path):
    assert order("top", "--pid", tmp_path / "none").returncode == 3
    assert order("top", "--wrong").returncode == 2
    assert "--pid FILE" in order("top", "--help").stdout
