# What all services of a company share.
import os

workers = 2
preload_app = True
max_requests = 10000
max_requests_jitter = 1000
accesslog = "-"
raw_env = ["T_SERVICE=" + os.environ.get("SERVICE", "unknown")]


def post_fork(server, worker):
    """Exporters have threads, which do not survive a fork: they are started here."""
    import threading

    stop = threading.Event()
    exporter = threading.Thread(target=stop.wait, name="span-exporter", daemon=True)
    exporter.start()
    os.environ["T_THREADS"] = ",".join(sorted(thread.name for thread in threading.enumerate()))
