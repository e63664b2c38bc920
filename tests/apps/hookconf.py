"""A configuration file with every server hook; each writes one line of who, what and with which arguments to $HOOK_LOG."""
import os

OUT = os.environ["HOOK_LOG"]


def show(value):
    if value is None or isinstance(value, (int, dict)):
        return type(value).__name__ if isinstance(value, dict) else str(value)
    kind = type(value).__name__
    if hasattr(value, "num_workers"):
        return "server(num_workers=%s)" % value.num_workers
    if hasattr(value, "age"):
        return "worker(age=%s)" % value.age
    if hasattr(value, "uri"):
        return "req(%s %s)" % (value.method, value.path)
    if hasattr(value, "status"):
        return "resp(%s)" % value.status
    return kind


def note(name):
    def hook(*args):
        with open(OUT, "a") as out:
            out.write("%d %s(%s)\n" % (os.getpid(), name, ", ".join(show(a) for a in args)))
    return hook


def on_starting(server): note("on_starting")(server)
def on_reload(server): note("on_reload")(server)
def when_ready(server): note("when_ready")(server)
def pre_fork(server, worker): note("pre_fork")(server, worker)
def post_fork(server, worker): note("post_fork")(server, worker)
def post_worker_init(worker): note("post_worker_init")(worker)
def worker_int(worker): note("worker_int")(worker)
def worker_abort(worker): note("worker_abort")(worker)
def pre_exec(server): note("pre_exec")(server)
def pre_request(worker, req): note("pre_request")(worker, req)
def post_request(worker, req, environ, resp): note("post_request")(worker, req, environ, resp)
def worker_exit(server, worker): note("worker_exit")(server, worker)
def nworkers_changed(server, new, old): note("nworkers_changed")(server, new, old)
def on_exit(server): note("on_exit")(server)


def child_exit(server, worker):
    note("child_exit")(server, worker)
    note("still in WORKERS" if worker.pid in server.WORKERS else "gone from WORKERS")()
