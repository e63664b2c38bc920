# An error tracker's client in each worker, times of requests, and stacks of all threads when a worker hangs.
import faulthandler
import os
import sys
import time
import types

tracker = types.SimpleNamespace(started_in=None, requests=[])

workers = 1
threads = 2
timeout = 60


def post_fork(server, worker):
    tracker.started_in = os.getpid()
    os.environ["T_TRACKER"] = str(tracker.started_in == worker.pid)


def pre_request(worker, req):
    req.started = time.monotonic()
    worker.log.debug("%s %s", req.method, req.path)


def post_request(worker, req, environ, resp):
    tracker.requests.append(time.monotonic() - req.started)
    worker.log.info("took note of %s %s: %s", req.method, req.path, resp.status_code)


def worker_abort(worker):
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
