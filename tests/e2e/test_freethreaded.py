"""What a free-threaded CPython's application sees: the GIL on, and no trace of how that came about."""
import hashlib

import pytest

import harness

pytestmark = [
    pytest.mark.freethreaded,
    pytest.mark.gosrv_only("Gunicorn runs such a Python as it comes"),
    pytest.mark.not_green("there are no greenlets for such a Python"),
]


def test_the_gil_is_on_and_nothing_shows_how(start):
    seen = start("gil_facts").get("/").json()
    assert seen == {"enabled": True, "free_threaded": True, "xoptions": {}, "variable": None, "orig_argv": seen["orig_argv"], "child": False}
    assert seen["orig_argv"][1:] == ["-c", "pass"]


def test_without_the_gil_is_refused():
    done = harness.run_once("hello:application", env={"PYTHON_GIL": "0"})
    assert done.returncode == 1
    assert "PYTHON_GIL=0 asks to run it so, which gosrv does not" in done.stderr and "out of the environment" in done.stderr


def test_the_users_word_for_the_gil_stays(start):
    seen = start("gil_facts", env={"PYTHON_GIL": "1"}).get("/").json()
    assert seen["enabled"] and seen["variable"] == "1" and seen["child"] is True


def test_bodies_go_through_blocks(start):
    """Go looks at the counts of blocks of bytes by itself, and takes them again when the application has let go."""
    server = start("read_body", "--threads", "2")
    for size in (1 << 20, 5 << 20, 1 << 20):
        assert server.post("/read?size=65536", data=b"x" * size).json()["sha256"] == hashlib.sha256(b"x" * size).hexdigest()
