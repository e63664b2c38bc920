"""Config files as real projects have them, taken as they are: what the settings come out as, and a request served."""
import json
import multiprocessing
import os
import re
import signal

import pytest

import harness
from waiting import wait_for

pytestmark = pytest.mark.not_green("settings are what it is about")

CONF = harness.APPS / "conf"
COMBINED = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
CORES = max(2, multiprocessing.cpu_count())


def settings(name, **env):
    """What --print-config says under one config file, by setting."""
    done = harness.run_once("--print-config", "-c", CONF / (name + ".py"), "pids", env=env)
    assert done.returncode == 0, done.stderr
    return dict(re.split(r"\s+= ", line, maxsplit=1) for line in done.stdout.splitlines() if re.match(r"\w+\s+= ", line))


def differ(found, wanted):
    return {name: (found.get(name), value) for name, value in wanted.items() if found.get(name) != value}


@pytest.mark.parametrize("name, env, wanted", [
    ("django_heroku", {"PORT": "5001", "WEB_CONCURRENCY": "3"}, {
        "bind": "['0.0.0.0:5001']", "workers": "3", "worker_class": "gthread", "threads": "4", "max_requests": "1200",
        "max_requests_jitter": "50", "timeout": "25", "graceful_timeout": "20", "keepalive": "95",
        "forwarded_allow_ips": "['*']", "secure_scheme_headers": "{'X-FORWARDED-PROTO': 'https'}", "accesslog": "-",
        "access_log_format": '%({x-request-id}i)s %(h)s "%(r)s" %(s)s %(b)s %(M)sms', "worker_tmp_dir": "/dev/shm",
        "raw_env": "['DJANGO_SETTINGS_MODULE=project.settings', 'T_PLATFORM=heroku']"}),
    ("docker_image", {"WORKERS_PER_CORE": "1", "LOG_LEVEL": "warning", "TIMEOUT": "33"}, {
        "workers": str(CORES), "loglevel": "warning", "bind": "['127.0.0.1:0']", "graceful_timeout": "120", "timeout": "33",
        "keepalive": "5", "errorlog": "-", "accesslog": "-"}),
    ("docker_image", {"WORKERS_PER_CORE": "0.5", "MAX_WORKERS": "1", "ACCESS_LOG": ""}, {"workers": "1", "accesslog": "None"}),
    ("prometheus_multiprocess", {"PROMETHEUS_MULTIPROC_DIR": "/tmp"}, {
        "workers": "2", "child_exit": "<child_exit()>", "on_starting": "<on_starting()>", "post_fork": "<post_fork()>"}),
    ("analytics_dashboard", {"SERVER_WORKER_AMOUNT": "10", "GUNICORN_TIMEOUT": "90"}, {
        "workers": "10", "worker_class": "gthread", "threads": "20", "timeout": "90", "limit_request_line": "0",
        "limit_request_field_size": "0", "max_requests": "0"}),
    ("workflow_scheduler", {}, {"proc_name": "scheduler-webserver", "workers": "2", "preload_app": "False", "on_exit": "<on_exit()>"}),
    ("plain_values", {}, {"workers": "3", "threads": "3", "timeout": "120", "max_requests": "5000", "max_requests_jitter": "500"}),
    ("error_reporting", {}, {"threads": "2", "pre_request": "<pre_request()>", "post_request": "<post_request()>"}),
    ("example_config", {}, {
        "backlog": "64", "worker_class": "sync", "pidfile": "None", "user": str(os.geteuid()), "group": str(os.getegid()),
        "umask": "0", "raw_env": "['T_SPAM=eggs', 'T_EMPTY=']", "worker_int": "<worker_int()>", "daemon": "False",
        "access_log_format": COMBINED, "tmp_upload_dir": "None"}),
    ("tracing_service", {"SERVICE": "billing"}, {
        "workers": "1", "timeout": "90", "preload_app": "True", "max_requests": "10000", "statsd_prefix": "billing",
        "forwarded_allow_ips": "['10.0.0.0/8', '127.0.0.1']", "raw_env": "['T_SERVICE=billing']", "post_fork": "<post_fork()>"}),
    ("health_checks", {}, {"accesslog": "-", "limit_request_fields": "50"}),
])
def test_settings_come_out_as_written(name, env, wanted):
    assert not differ(settings(name, **env), wanted)


def served(start, name, *args, **kw):
    server = start("pids", "-c", CONF / (name + ".py"), *args, **kw)
    return server, server.get().json()


def test_django_on_a_platform(start):
    server, facts = served(start, "django_heroku", bind=None, env={"PORT": "0", "WEB_CONCURRENCY": "1"})
    assert server.address[0] == "0.0.0.0" and facts["env"]["T_PLATFORM"] == "heroku" and facts["multithread"]
    server.get(headers={"X-Request-Id": "id-1"})
    wait_for(lambda: re.search(r'^id-1 127\.0\.0\.1 "GET / HTTP/1\.1" 200 \d+ \d+ms$', server.out, re.M), "the access line")


def test_docker_image(start):
    server, _ = served(start, "docker_image", bind=None, env={"MAX_WORKERS": "1", "LISTEN_PORT": "0"})
    wait_for(lambda: '"workers": 1' in server.out, "what the config file printed")
    assert json.loads(server.out.splitlines()[0])["host"] == "127.0.0.1"


def test_prometheus_multiprocess(start, tmp_path):
    (tmp_path / "stale.db").write_text("")
    server, facts = served(start, "prometheus_multiprocess", env={"PROMETHEUS_MULTIPROC_DIR": tmp_path}, balance=False)

    def live():
        return {int(re.search(r"\d+", name).group()) for name in os.listdir(tmp_path) if re.fullmatch(r"gauge_live_\d+\.db", name)}

    old = set(server.wait_workers(2))
    wait_for(lambda: live() == old, lambda: "one file a worker: %s" % os.listdir(tmp_path))
    assert not (tmp_path / "stale.db").exists()
    server.send_signal(signal.SIGKILL, facts["pid"])
    new = set(server.wait_workers(2, without={facts["pid"]}))
    wait_for(lambda: live() == new, lambda: "the dead worker's file to go: %s, workers %s" % (os.listdir(tmp_path), new))


def test_json_logging(start):
    server, facts = served(start, "json_logging", log_level=None)
    server.get("/asked-for")

    def entries(logger, words):
        lines = [json.loads(line) for line in server.log.splitlines() if line.endswith("}")]
        return [e for e in lines if e["logger"] == logger and words in e["message"]]

    wait_for(lambda: entries("gunicorn.access", "/asked-for"), lambda: "the access line as JSON:\n%s" % server.log)
    assert [e["severity"] for e in entries("gunicorn.error", "Booting worker with pid: %d" % facts["pid"])] == ["INFO"]


def test_analytics_dashboard(start):
    server, _ = served(start, "analytics_dashboard", bind=None)
    assert server.get("/?q=" + "x" * 9000, headers={"X-Long": "y" * 8000}).status_code == 200


def test_workflow_scheduler(start):
    server, facts = served(start, "workflow_scheduler")
    assert facts["env"]["T_PREPARED"] == "on_starting" and int(facts["env"]["T_READY_IN"]) == facts["pid"]
    assert int(facts["env"]["T_PREPARED_IN"]) != facts["pid"]
    server.wait_log(r"\[INFO\] scheduler-webserver is ready with 2 workers$")
    server.send_signal(signal.SIGTERM)
    assert server.wait_end() == 0
    assert "goodbye from scheduler-webserver" in server.log


def test_plain_values(start):
    server, facts = served(start, "plain_values", bind=None)
    server.wait_workers(3)
    assert facts["multithread"] and facts["multiprocess"]


def test_error_reporting(start):
    server, facts = served(start, "error_reporting")
    assert facts["env"]["T_TRACKER"] == "True"
    server.get("/a/path?q=1")
    server.wait_log(r"\[INFO\] took note of GET /a/path: 200$")


def test_example_config(start):
    server, facts = served(start, "example_config", bind=None)
    assert facts["env"]["T_SPAM"] == "eggs" and facts["env"]["T_EMPTY"] == ""
    server.wait_log(r"\[INFO\] Server is ready\. Spawning workers$")
    server.wait_log(r"\[INFO\] Worker spawned \(pid: %d\)$" % facts["pid"])
    server.send_signal(signal.SIGINT)
    assert server.wait_end() == 0
    assert "worker received INT or QUIT signal" in server.log


def test_tracing(start):
    _, facts = served(start, "tracing_service", env={"SERVICE": "billing"})
    assert facts["env"]["T_SERVICE"] == "billing" and "span-exporter" in facts["env"]["T_THREADS"]
    assert facts["imported_in"] != facts["pid"]


def test_health_checks_stay_out_of_the_access_log(start):
    server, _ = served(start, "health_checks")
    server.get("/healthz")
    server.get("/worth-a-line")
    wait_for(lambda: "/worth-a-line" in server.out, "the access line")
    assert "/healthz" not in server.out
