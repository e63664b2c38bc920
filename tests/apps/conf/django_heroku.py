# A Django project on a platform with PORT, WEB_CONCURRENCY and a router in front.
import os

bind = "0.0.0.0:{}".format(os.environ.get("PORT", "8000"))
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
worker_class = "gthread"
threads = int(os.environ.get("PYTHON_MAX_THREADS", 4))
worker_tmp_dir = "/dev/shm"
max_requests = 1200
max_requests_jitter = 50
timeout = 25  # the router gives up after 30
graceful_timeout = 20
keepalive = 95
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
accesslog = "-"
errorlog = "-"
access_log_format = '%({x-request-id}i)s %(h)s "%(r)s" %(s)s %(b)s %(M)sms'
raw_env = ["DJANGO_SETTINGS_MODULE=project.settings", "T_PLATFORM=heroku"]
