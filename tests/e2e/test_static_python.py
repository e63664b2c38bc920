"""The worker's Go entry works as a c-shared library inside a static python (Debian's /usr/bin/python3)."""
import json
import subprocess

import pytest

from harness import APPS, ROOT

pytestmark = pytest.mark.gosrv_only("the library is gosrv's")

STATIC = "/usr/bin/python3"


def is_static(python):
    out = subprocess.run(["ldd", python], capture_output=True, text=True).stdout
    return "libpython" not in out and "libc" in out


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "libgosrv.so"
    subprocess.run(["go", "build", "-buildmode=c-shared", "-o", str(path), "./cmd/gosrv"], cwd=ROOT, check=True)
    return path


def test_worker_runs_as_a_library_in_a_static_python(library):
    if not is_static(STATIC):
        pytest.skip("%s links libpython" % STATIC)
    done = subprocess.run(
        [STATIC, str(ROOT / "tests/e2e/static_worker.py"), str(library), str(ROOT / "pyshim"), "hello:application", str(APPS)],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["status"], seen["body"], seen["exit"]) == (200, "hello app", 0), (seen, done.stderr)
    assert seen["heard"][:2] == ["WorkerSpawned", "WorkerReady"]
