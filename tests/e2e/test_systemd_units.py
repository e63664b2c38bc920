"""The example units say what works: they are read and carried out as systemd would, as far as a test can be systemd."""
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import harness
from test_systemd import Manager
from test_upgrade import AS_SYSTEMD
from waiting import wait_for

pytestmark = [pytest.mark.gosrv_only("the units are gosrv's"), pytest.mark.not_green("units are what it is about")]

UNITS = harness.ROOT / "cmd" / "gosrv" / "examples" / "systemd"


def read(name, home):
    """A unit as {section: {key: value}}, its paths below home."""
    found, section = {}, None
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key] = value.replace("/srv/", "%s/srv/" % home).replace("/run/", "%s/run/" % home)
    return found


@pytest.fixture
def home(tmp_path):
    """The machine that the units describe."""
    app = tmp_path / "srv" / "example" / "app" / "example"
    app.mkdir(parents=True)
    (app / "__init__.py").touch()
    (app / "wsgi.py").write_text((harness.APPS / "hello.py").read_text() + "\napplication = app\n")
    venv = tmp_path / "srv" / "example" / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "gosrv").symlink_to(harness.binary().resolve())
    (tmp_path / "run" / "example").mkdir(parents=True)
    return tmp_path


def test_a_service_and_its_socket(start, home):
    service, sock = read("example.service", home)["Service"], read("example.socket", home)["Socket"]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sock["ListenStream"])
    listener.listen(int(sock["Backlog"]))
    manager = Manager(str(home / "notify"))
    assert service["Type"] == "notify-reload" and service["KillMode"] == "mixed"
    command = shlex.split(service["ExecStart"])
    server = start(
        bind=None, log_level=None, ready=None, cwd=service["WorkingDirectory"], fds=(listener.fileno(),), balance=False,
        program=[sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), *command],
        env={"LISTEN_FDS": "1", "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(service["WatchdogSec"]) * 1000000)})
    words = lambda: [key for key in manager.keys() if key != "WATCHDOG"]
    wait_for(lambda: words() == ["READY"], lambda: "READY, not %s" % manager.heard, 30)
    assert server.address == sock["ListenStream"]
    server._answered("/")
    server.wait_workers(2)

    server.send_signal(signal.SIGHUP)  # systemctl reload
    wait_for(lambda: words() == ["READY", "RELOADING", "READY"], lambda: "the reload, not %s" % manager.heard, 30)
    pidfile = home / "run" / "example" / "pid"
    assert pidfile.read_text().strip() == str(server.pid)

    server.send_signal(signal.SIGTERM)  # systemctl stop
    assert server.process.wait(int(service["TimeoutStopSec"])) == 0
    assert words()[-1] == "STOPPING" and not pidfile.exists()
    assert os.path.exists(sock["ListenStream"]), "the socket is systemd's"
    server.addresses = []
    server.wait_end()
    manager.socket.close()
    listener.close()


def test_times_fit_together(home):
    service = read("example.service", home)["Service"]
    words = shlex.split(service["ExecStart"])
    assert int(service["TimeoutStopSec"]) > int(words[words.index("--graceful-timeout") + 1]) + 2
    assert words[words.index("--pid") + 1].startswith("%s/run/%s/" % (home, service["RuntimeDirectory"]))


def test_systemd_understands_them(home):
    """systemd-analyze where the machine has it; otherwise the names of what is said are compared with its manual's."""
    known = set("""Description Requires After Type User Group RuntimeDirectory WorkingDirectory ExecStart ExecStop KillMode TimeoutStopSec TimeoutStartSec
        Restart RestartSec WatchdogSec OOMPolicy LimitNOFILE NoNewPrivileges PrivateTmp ProtectSystem ProtectControlGroups ProtectKernelTunables
        WantedBy ListenStream SocketUser SocketMode Backlog""".split())
    for name in ("example.service", "example.socket"):
        unit = read(name, home)
        assert set(unit) == {"Unit", name.partition(".")[2].title(), "Install"}
        assert {key for section in unit.values() for key in section} <= known
    if not shutil.which("systemd-analyze"):
        return
    folder = home / "units"
    folder.mkdir()
    for name in ("example.service", "example.socket"):
        text = (UNITS / name).read_text().replace("/srv/", "%s/srv/" % home)
        (folder / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(folder / "example.service"), str(folder / "example.socket")],
                          capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "example." in line and "notify-reload" not in line]  # systemd before 253
    assert not complaints, done.stderr
