# A scheduler's web interface: prepares itself before the workers, names its processes, refreshes them one by one.
import os

proc_name = "scheduler-webserver"
workers = 2
preload_app = False
events = []


def on_starting(server):
    events.append("on_starting")
    os.environ["T_PREPARED_IN"] = str(os.getpid())


def when_ready(server):
    server.log.info("%s is ready with %d workers", server.proc_name, server.cfg.workers)


def post_worker_init(worker):
    os.environ["T_READY_IN"] = str(os.getpid())
    os.environ["T_PREPARED"] = ",".join(events)


def pre_exec(server):
    server.log.info("starting anew")


def on_exit(server):
    server.log.info("goodbye from %s", server.proc_name)
