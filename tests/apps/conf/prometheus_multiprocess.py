# Metrics of all workers in files of one directory: emptied at the start, and told when a worker is gone.
import glob
import os

multiproc_dir = os.environ["PROMETHEUS_MULTIPROC_DIR"]
workers = 2


def on_starting(server):
    for name in glob.glob(os.path.join(multiproc_dir, "*.db")):
        os.remove(name)


def post_fork(server, worker):
    with open(os.path.join(multiproc_dir, "gauge_live_{}.db".format(os.getpid())), "w") as f:
        f.write("1")


def child_exit(server, worker):
    for name in glob.glob(os.path.join(multiproc_dir, "gauge_live_{}.db".format(worker.pid))):
        os.remove(name)
