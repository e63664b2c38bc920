"""Bound as root, served as somebody else, with no way back."""
import os
import stat

import pytest

import harness

pytestmark = pytest.mark.not_green("processes are what it is about")

NOBODY = 65534
ROOT = os.geteuid() == 0
# The application is imported before the change: nobody may be kept out of the folders of whoever runs the tests.
AS_NOBODY = ("privileges", "--preload", "--user", str(NOBODY), "--group", str(NOBODY))


def refused():
    """Without root there is one thing to be tested: that it is said."""
    ended = harness.run_once("hello", "--user", str(NOBODY), "--group", str(NOBODY), "--bind", "127.0.0.1:0")
    assert ended.returncode != 0 and "not permitted" in ended.stderr.lower() or "only root may become" in ended.stderr


@pytest.mark.gosrv_only("Gunicorn sets no PR_SET_NO_NEW_PRIVS and keeps root's groups")
@pytest.mark.matrix
def test_workers_are_somebody_else_for_good(start):
    if not ROOT:
        return refused()
    facts = start(*AS_NOBODY).get().json()
    assert facts == {"users": [NOBODY] * 3, "groups": [NOBODY] * 3, "others": [NOBODY], "no_new_privileges": 1, "capabilities": 0, "permitted": 0}


@pytest.mark.gosrv_only("Gunicorn has no such setting")
def test_sudo_can_be_allowed(start):
    if not ROOT:
        return refused()
    facts = start(*AS_NOBODY, "--allow-new-privileges").get().json()
    assert facts["users"] == [NOBODY] * 3 and facts["no_new_privileges"] == 0


@pytest.mark.gosrv_only("Gunicorn has no such setting")
def test_who_stays_is_not_touched(start):
    facts = start("privileges").get().json()
    assert facts["users"] == [os.getuid()] * 3 and facts["no_new_privileges"] == 0


def test_all_groups_of_the_user(start):
    if not ROOT:
        return refused()
    import pwd

    daemon = pwd.getpwnam("daemon")
    facts = start("privileges", "--preload", "--user", "daemon", "--group", str(daemon.pw_gid), "--initgroups").get().json()
    assert facts["users"] == [daemon.pw_uid] * 3
    assert set(facts["others"]) == set(os.getgrouplist("daemon", daemon.pw_gid))


@pytest.mark.gosrv_only("what Gunicorn says is Python's PermissionError alone")
def test_only_root_can(start, tmp_path):
    if not ROOT:
        return refused()
    # Root drops to nobody in a first server; a second one, started by nobody, may not become anybody.
    conf = tmp_path / "conf.py"
    conf.write_text("import os\ndef on_starting(server):\n    os.setresgid(1, 1, 1)\n    os.setresuid(1, 1, 1)\n")
    ended = harness.run_once("hello", "--preload", "-c", conf, "--user", "0", "--group", "0", "--bind", "127.0.0.1:0")
    assert ended.returncode == 3
    assert "only root may become somebody else" in ended.stderr


KEEPS = """
import ctypes
def post_fork(server, worker):
    assert ctypes.CDLL(None).prctl(28, 1 << 2, 0, 0, 0) == 0  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP
"""


@pytest.mark.gosrv_only("Gunicorn does not look")
def test_a_way_back_is_refused(start, tmp_path):
    if not ROOT:
        return refused()
    conf = tmp_path / "conf.py"
    conf.write_text(KEEPS)
    ended = harness.run_once("-c", conf, *AS_NOBODY, "--bind", "127.0.0.1:0")
    assert ended.returncode == 3
    assert "user 65534 could become user 0 again" in ended.stderr


def test_a_unix_socket_is_the_users_from_the_first_moment(start):
    if not ROOT:
        return refused()
    server = start(*AS_NOBODY, "--umask", "0o117", bind="unix:DIR/s.sock")
    found = os.stat(server.address)
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)
