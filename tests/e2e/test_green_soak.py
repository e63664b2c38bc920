"""Thousands of greenlets that wait at random depths while Go collects all the time: no answer is another's, none is lost, nothing is left."""
import pytest

import crowd as descriptors
import harness
import procs
import share
from green_crowd import crowd
from waiting import wait_for

pytestmark = pytest.mark.green
# Go's least heap is 4 MB times GOGC / 100: with 1 it collects every few requests, and moves its stacks as it grows them.
ENVIRONMENT = {"GOGC": "1", "GODEBUG": "gcshrinkstackoff=0"}


def run(start, clients, seconds, *args):
    assert descriptors.raise_descriptor_limit(clients + min(clients, 5000) + 500)  # some that are closed linger
    server = start("random_waits", "--worker-connections", clients + 100, "--timeout", "120", "--backlog", "2048", "--keep-alive", "75", *harness.patient(), *args,
                   env=ENVIRONMENT, log_level="info")
    pid, = server.wait_workers(1)
    before = server.get("/left").json()
    done = crowd(server.address, clients, seconds)
    print(dict(done.counts))
    assert not done.evidence, "%s\n%s" % (dict(done.counts), "\n".join(done.evidence[:20]))
    assert done.counts["ok"] > 50 * seconds
    assert server.worker_pids() == [pid] and procs.alive(pid)
    found = {}

    def settled():
        found.update(server.get("/left").json())
        return found["running"] == 0 and found["opened"] == found["closed"] and found["greenlets"] <= before["greenlets"] + 2 \
            and found["descriptors"] <= before["descriptors"] + 2

    wait_for(settled, lambda: "nothing left: %s, before %s" % (found, before), 30)
    return server


@pytest.mark.parametrize("args", [(), pytest.param(("--stream-request-body",), marks=pytest.mark.gosrv_only("Gunicorn always does"))],
                         ids=["whole-bodies", "streamed-bodies"])
def test_waits_at_random_while_go_collects(start, args):
    run(start, 500, 10, *args)


@pytest.mark.matrix
def test_waits_at_random_for_a_moment(start):
    run(start, 100, 3)


@pytest.mark.soak
@pytest.mark.parametrize("args", [(), ("--stream-request-body",), ("--preload",)], ids=["whole-bodies", "streamed-bodies", "preload"])
def test_waits_at_random_for_long(start, args):
    """Half an hour in all, of ten thousand clients."""
    run(start, share.of(10_000, 500), share.of(600, 5), *args)
