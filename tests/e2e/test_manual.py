"""`gosrv help`, the manual page, and completion in the shells themselves."""
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import fcntl
import termios
import time

import pytest

import harness

pytestmark = [pytest.mark.gosrv_only("Gunicorn has none of it"), pytest.mark.not_green("nothing is served")]


def gosrv(*words, **env):
    done = harness.run_once(*words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason="no %s on this machine" % program)


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, argv, columns=80, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            # COLUMNS is of pytest's terminal: readline leaves it in the environment of whoever imports it.
            kept = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
            os.execvpe(argv[0], argv, dict(kept, TERM="xterm", **env))
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern, seconds=20):
        """Read on until the text, without its escape sequences, has the pattern; "" waits for the end."""
        end = time.monotonic() + seconds
        while not (pattern and re.search(pattern, self.plain())):
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, "no %r in %r" % (pattern, self.text)
            try:
                piece = os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                piece = ""
            if not piece:
                assert not pattern, "no %r in %r" % (pattern, self.text)
                break
            self.text += piece
        return self.plain()

    def plain(self):
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", self.text)


# -- help ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [50, 80, 200])
def test_help_is_as_wide_as_the_terminal(columns):
    # A shell waits for the end of gosrv, so that the terminal is set before.
    with Terminal([harness.binary(), "--help"], columns) as terminal:
        text = terminal.until("")
    assert "\x1b[1mMost used:" in terminal.text and "\n  -b, --bind ADDRESS" in text
    longest = max(map(len, text.splitlines()))
    assert longest <= max(columns, 79) and longest <= 100
    assert columns < 100 or longest > 80


def test_help_of_a_setting_and_of_a_topic():
    assert "GOSRV_MAX_REQUESTS" in gosrv("help", "max_requests")
    assert "--max-requests INT" in gosrv("help", "--max-requests")
    assert "gosrv reload" in gosrv("help", "commands")
    assert "--statsd-host" in gosrv("help", "logging")
    assert gosrv("help") == gosrv("--help")
    wide = gosrv("help", "all", COLUMNS="100")
    assert 80 < max(map(len, wide.splitlines())) <= 100


def test_what_is_no_topic_is_said():
    done = harness.run_once("help", "tmeout")
    assert done.returncode == 2 and "did you mean timeout?" in done.stderr and "Topics: all," in done.stderr
    done = harness.run_once("completion", "tcsh")
    assert done.returncode == 2 and "bash, fish, zsh" in done.stderr


@needs("man")
@needs("groff")
def test_the_manual_page(tmp_path):
    page = tmp_path / "gosrv.1"
    page.write_text(gosrv("help", "man"))
    checked = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stderr == ""
    shown = subprocess.run(["man", "-l", str(page)], capture_output=True, text=True, env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8"))
    text = re.sub(".\b", "", shown.stdout)
    for words in ("NAME\n", "-w, --workers INT\n", r"unix:\0NAME", "GUNICORN_CMD_ARGS", "gosrv reload", "EXIT STATUS"):
        assert words in text, words


# -- completion ----------------------------------------------------------------------------------------------------

def bash(line, folder):
    """What bash offers for a line: its words are split at blanks, as nothing else is in these lines."""
    words = line.split(" ")
    script = 'source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gosrv; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", harness.binary(), *words], capture_output=True, text=True, cwd=folder)
    assert done.stderr == ""
    return done.stdout.split()


def fish(line, folder):
    script = '"%s" completion fish | source; complete -C "%s"' % (harness.binary(), line)
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, cwd=folder,
                          env=dict(os.environ, HOME=str(folder), XDG_DATA_HOME=str(folder / "data"), XDG_CONFIG_HOME=str(folder / "config")))
    assert done.stderr == ""
    return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


def zsh(line, folder):
    """What the line becomes, and what is listed below it, when the key for completion is hit twice."""
    (folder / "zshrc").write_text("autoload -Uz compinit; compinit -u -D; source =('%s' completion zsh); setopt no_beep; PS1='READY> '\n" % harness.binary())
    with Terminal(["zsh", "-f", "-i"], 200) as terminal:
        terminal.type("cd '%s'; source ./zshrc; clear\n" % folder)
        terminal.until("READY> ")
        terminal.text = ""
        terminal.type(line + "\t\t")
        terminal.type("\x05 # end\n")  # to the line's end, and a comment there
        text = terminal.until("# end")
        terminal.type("\x03exit\n")
    return re.split(r"\s+", text.replace("(", " ").replace(")", " "))


SHELLS = [pytest.param(shell, marks=needs(shell.__name__), id=shell.__name__) for shell in (bash, fish, zsh)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site.conf.py").write_text("")
    (tmp_path / "subfolder").mkdir()
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line, offered, not_offered", [
    ("gosrv --worker-cl", "--worker-class", "--workers"),
    ("gosrv --max-requests-", "--max-requests-jitter", "--bind"),
    ("gosrv --worker-class gt", "gthread", "sync"),
    ("gosrv -k s", "sync", "gthread"),
    ("gosrv rel", "reload", "status"),
    ("gosrv help exit", "exit-codes", "timeout"),
    ("gosrv completion f", "fish", "bash"),
    ("gosrv --config si", "site.conf.py", "subfolder"),
    ("gosrv app:app --log-level war", "warning", "error"),
])
def test_completion(shell, folder, line, offered, not_offered):
    words = [word.rstrip("/") for word in shell(line, folder)]
    assert offered in words and not_offered not in words


def test_make_install_and_uninstall(tmp_path):
    """The program that is there, its manual page and completions, below any prefix and any DESTDIR; and away again."""
    if not (harness.ROOT / "bin" / "gosrv").exists():
        pytest.skip("bin/gosrv was not built")
    root = tmp_path / "a package"
    made = ["make", "-s", "-C", str(harness.ROOT), "-o", "all", "DESTDIR=%s" % root, "PREFIX=/opt/gosrv"]  # -o: it is built, and others are running it
    subprocess.run([*made, "install"], check=True)
    names = {path.relative_to(root / "opt/gosrv").as_posix(): path for path in root.rglob("*") if path.is_file()}
    assert set(names) == {"bin/gosrv", "share/man/man1/gosrv.1", "share/bash-completion/completions/gosrv",
                          "share/fish/vendor_completions.d/gosrv.fish", "share/zsh/site-functions/_gosrv"}
    for name, path in names.items():
        assert path.stat().st_mode & 0o777 == (0o755 if name == "bin/gosrv" else 0o644) and path.stat().st_size > 1000
    subprocess.run([*made, "uninstall"], check=True)
    assert not [path for path in root.rglob("*") if path.is_file()]
