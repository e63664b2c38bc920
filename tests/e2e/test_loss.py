"""No request is lost, whatever happens to the server: every one of them is asked for, and accounted for.

`python losses.py gunicorn` shows what the same clients lose there.
"""
import pytest

import share
from losses import CLASSES, EVENTS, measure

pytestmark = pytest.mark.gosrv_only("Gunicorn's sync worker resets what waits in its queue when it stops")
LOSSLESS = [(event, worker_class) for event in EVENTS for worker_class in CLASSES
            if event != "kill -9" and (worker_class != "preload" or event in ("HUP", "TERM"))]  # the soak does the others, too


@pytest.mark.parametrize("event, worker_class", LOSSLESS)
def test_nothing_is_lost(start, event, worker_class):
    clients = measure(start, event, worker_class, times=2)
    assert clients.bad == 0, "%s\n%s" % (clients, clients.evidence)
    assert clients.counts["ok"] > 100


@pytest.mark.parametrize("worker_class", ["sync", "threads", "reuse-port"])
def test_a_killed_worker_takes_no_more_along_than_it_had(start, worker_class):
    kept, closing, times = 6, 4, 2
    clients = measure(start, "kill -9", worker_class, times, kept=kept, closing=closing)
    assert clients.bad <= times * (kept + closing), clients
    assert clients.counts["wrong"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("worker_class", list(CLASSES))
@pytest.mark.parametrize("event, times", [("HUP", 60), ("USR2", 10), ("max_requests", 200), ("TTIN, TTOU", 30), ("TERM", 1)])
def test_nothing_is_lost_for_long(start, event, times, worker_class):
    clients = measure(start, event, worker_class, share.of(times), kept=12, closing=6)
    assert clients.bad == 0, "%s\n%s" % (clients, clients.evidence)
