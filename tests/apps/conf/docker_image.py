# A base image that counts processors and takes everything from the environment; prints what it came to.
import json
import multiprocessing
import os

workers_per_core_str = os.getenv("WORKERS_PER_CORE", "1")
max_workers_str = os.getenv("MAX_WORKERS")
use_max_workers = int(max_workers_str) if max_workers_str else None
web_concurrency_str = os.getenv("WEB_CONCURRENCY", None)

host = os.getenv("HOST", "127.0.0.1")
port = os.getenv("LISTEN_PORT", "0")
bind_env = os.getenv("BIND", None)
use_loglevel = os.getenv("LOG_LEVEL", "info")
use_bind = bind_env if bind_env else f"{host}:{port}"

cores = multiprocessing.cpu_count()
workers_per_core = float(workers_per_core_str)
default_web_concurrency = workers_per_core * cores
if web_concurrency_str:
    web_concurrency = int(web_concurrency_str)
    assert web_concurrency > 0
else:
    web_concurrency = max(int(default_web_concurrency), 2)
    if use_max_workers:
        web_concurrency = min(web_concurrency, use_max_workers)
accesslog_var = os.getenv("ACCESS_LOG", "-")
errorlog_var = os.getenv("ERROR_LOG", "-")

loglevel = use_loglevel
workers = web_concurrency
bind = use_bind
errorlog = errorlog_var or None
worker_tmp_dir = "/dev/shm"
accesslog = accesslog_var or None
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))

log_data = {"loglevel": loglevel, "workers": workers, "bind": bind, "workers_per_core": workers_per_core, "host": host, "port": port}
print(json.dumps(log_data))
