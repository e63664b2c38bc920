# A dashboard with long URLs and slow queries.
import os

bind = "{}:{}".format(os.environ.get("SERVER_HOST", "127.0.0.1"), os.environ.get("SERVER_LISTEN_PORT", "0"))
workers = int(os.environ.get("SERVER_WORKER_AMOUNT", "1"))
worker_class = os.environ.get("SERVER_WORKER_CLASS", "gthread")
threads = int(os.environ.get("SERVER_THREADS_AMOUNT", "20"))
timeout = int(os.environ.get("GUNICORN_TIMEOUT", "60"))
keepalive = int(os.environ.get("GUNICORN_KEEPALIVE", "2"))
max_requests = int(os.environ.get("WORKER_MAX_REQUESTS", "0"))
max_requests_jitter = int(os.environ.get("WORKER_MAX_REQUESTS_JITTER", "0"))
limit_request_line = int(os.environ.get("SERVER_LIMIT_REQUEST_LINE", "0"))
limit_request_field_size = int(os.environ.get("SERVER_LIMIT_REQUEST_FIELD_SIZE", "0"))
