"""A small request costs one crossing into C (design: cgo/DESIGN.md), counted in the real worker."""
import re
import signal

import pytest

pytestmark = [pytest.mark.gosrv_only("Gunicorn has nothing to cross"), pytest.mark.not_green("requests cross otherwise")]


@pytest.mark.matrix
@pytest.mark.parametrize("application, crossings", [("hello", 1), ("changes_environ", 1)])
def test_a_small_request_is_one_crossing(start, application, crossings):
    server = start(application)
    with server.wire() as wire:
        for n in range(50):
            assert wire.get("/%d" % n, "X-Number: %d" % (n % 3)).status == 200
    server.send_signal(signal.SIGTERM, server.worker_pids()[0])
    seen = server.wait_log(r"exits after (\d+) requests, .* (\d+) crossings")[0]
    requests, crossed = int(seen[1]), int(seen[2])
    assert requests >= 50
    assert crossed == requests * crossings


@pytest.mark.matrix
def test_pieces_that_come_quickly_share_a_crossing(start):
    """Ten pieces and close() were twelve. A few pieces may be slow where the machine is busy; most are not."""
    server = start("quick_pieces")
    with server.wire() as wire:
        for _ in range(100):
            assert len(wire.get("/").chunks) == 10
    server.send_signal(signal.SIGTERM, server.worker_pids()[0])
    seen = server.wait_log(r"exits after (\d+) requests, .* (\d+) crossings")[0]
    assert int(seen[2]) < 8 * int(seen[1])


def test_the_bits_that_the_shim_repeats_are_those_of_the_boundary():
    from harness import ROOT

    header = (ROOT / "cgo/gosrv.h").read_text()
    shim = (ROOT / "pyshim/gosrv_shim/worker.py").read_text()
    boundary = {name: int(value) for name, value in re.findall(r"GOSRV_SIG_(\w+) = (\d+)", header)}
    names, values = re.search(r"^(\w+(?:, \w+)*) = (\d+(?:, \d+)*)$", shim, re.M).groups()
    assert boundary
    assert dict(zip(names.split(", "), map(int, values.split(", ")))) == boundary
