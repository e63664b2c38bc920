"""What the address of --metrics-bind shows: numbers, whether the server lives and is ready, and to whom."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

import harness
from masters import Succession
from test_orders import order
from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn has statsd only")
TOKEN = "a-token-of-this-test"


def at(server):
    """Where the server's metrics are, as its log says."""
    return re.findall(r"Metrics at: (\S+)", server.log)[-1]


def numbers(url, **kw):
    """The metrics, by name and labels as they are written."""
    text = requests.get(url + "/metrics", timeout=10, **kw).text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line and line[0] != "#"}


def settled(url, name, before, more):
    """The metrics, once that counter has grown by so many: a request is counted when its answer has left, and read a moment later."""
    def look():
        now = numbers(url)
        return now if now.get(name, 0) - before.get(name, 0) >= more else None

    now = wait_for(look, lambda: "%s: %s" % (name, numbers(url).get(name)))
    assert now[name] - before.get(name, 0) == more
    return now


def ask(url, path, **kw):
    return requests.get(url + path, timeout=10, **kw)


def answers(url, path, status, **kw):
    """Wait for that status: a process that has just been started may not listen yet."""
    def look():
        try:
            return ask(url, path, **kw).status_code == status
        except requests.ConnectionError:
            return False

    wait_for(look, "%d from %s" % (status, path))


@pytest.fixture
def measured(start):
    def begin(*args, app="sleeping", **kw):
        server = start(app, "--metrics-bind", "127.0.0.1:0", *args, **kw)
        answers(at(server), "/livez", 200)
        return server

    return begin


@pytest.mark.not_green("nothing waits behind a greenlet that sleeps; test_green_metrics has one that does not")
def test_a_slow_request_among_fast_ones_is_found(measured):
    """One worker: what comes behind the slow one waits, and it is said for how long and for what."""
    server = measured("--workers", "1")
    url = at(server)
    before = settled(url, 'gosrv_http_requests_total{class="2xx",method="GET"}', {}, 1)  # the test's own look at the start
    slow = threading.Thread(target=lambda: server.get("/sleep?s=0.6"))
    slow.start()
    shown = wait_for(lambda: ask(url, "/status.json").json()["workers"][0]["request"], "the slow request in the application")
    assert (shown["path"], shown["client"]) == (None, None)  # nobody has shown a token
    assert ask(url, "/livez").status_code == ask(url, "/readyz").status_code == 200  # the worker is busy, the answer is Go's
    server.get("/")
    slow.join()
    now = settled(url, 'gosrv_http_requests_total{class="2xx",method="GET"}', before, 2)

    def grown(name):
        return now[name] - before.get(name, 0)

    assert grown('gosrv_http_request_duration_seconds_count') == 2
    assert 0.6 <= grown('gosrv_http_request_phase_seconds_sum{phase="application"}') < 1.2
    queued = grown('gosrv_http_request_phase_seconds_sum{phase="queue"}')
    assert 0.1 < queued < 1.2, "the second request waited for the first"
    assert grown('gosrv_http_request_duration_seconds_sum') >= 0.6 + queued
    assert 0 < now["gosrv_capacity_used_ratio"] <= 1
    slowest = ask(url, "/status.json").json()["slowest"]
    assert any(s["times"]["application"] >= 0.6 for s in slowest)
    assert all(s["path"] is None for s in slowest)  # nobody has shown a token
    assert any(s["times"]["queue"] > 0.1 and s["times"]["application"] < 0.1 for s in slowest)


@pytest.mark.parametrize("args", [("--workers", "2"), ("--threads", "4")], ids=["processes", "threads"])
def test_every_request_is_counted_once(measured, args):
    server = measured(*args, app="echo_request")
    url = at(server)
    before = numbers(url)
    clients = [threading.Thread(target=lambda: [requests.post(server.url, data=b"x" * 100, timeout=10) for _ in range(25)]) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    settled(url, 'gosrv_http_requests_total{class="2xx",method="POST"}', before, 100)


def test_counts_outlive_workers_and_reloads(measured):
    server = measured("--workers", "1")
    url = at(server)
    for _ in range(3):
        server.get("/")
    before = numbers(url)
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    wait_for(lambda: numbers(url)['gosrv_worker_exits_total{cause="killed"}'] == 1, "the death in the metrics")
    server.balance = False
    server.get("/")
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("Generation 2 serves")
    wait_for(lambda: numbers(url)['gosrv_reloads_total{outcome="done"}'] == 1, "the reload in the metrics")
    name = 'gosrv_http_requests_total{class="2xx",method="GET"}'
    wait_for(lambda: numbers(url)[name] >= before[name] + 1, "the request in the metrics")
    assert ask(url, "/status.json").json()["reloads"]["last"][0]["generation"] == 2


def test_not_ready_while_draining(measured):
    server = measured("--workers", "1")
    url = at(server)
    slow = threading.Thread(target=lambda: server.get("/sleep?s=2"))
    slow.start()
    wait_for(lambda: ask(url, "/status.json").json()["capacity"]["threads_busy"] == 1, "the request in the application")
    server.process.send_signal(signal.SIGTERM)
    answers(url, "/readyz", 503)
    assert ask(url, "/livez").status_code == 200
    slow.join()
    server.wait_end()


def test_paths_are_shown_with_the_token_only(start):
    server = start("sleeping", "--metrics-bind", "127.0.0.1:0", env={"GOSRV_METRICS_TOKEN": TOKEN})
    url = at(server)
    answers(url, "/readyz", 200)  # load balancers have no token
    server.get("/")
    for headers in ({}, {"Authorization": "Bearer wrong-" + TOKEN}, {"Authorization": "Basic %%%"}):
        for path in ("/metrics", "/status.json", "/events", "/"):
            denied = ask(url, path, headers=headers)
            assert denied.status_code == 401 and "Basic" in denied.headers["WWW-Authenticate"]
    assert ask(url, "/metrics", headers={"Authorization": "Bearer " + TOKEN}).status_code == 200
    slowest = wait_for(lambda: ask(url, "/status.json", auth=("anybody", TOKEN)).json()["slowest"], "the request in the metrics")
    assert {s["path"] for s in slowest} == {"/"}  # and no query


def test_a_name_is_no_way_in(measured):
    """A page in a browser of this machine could have a name of its own that means 127.0.0.1."""
    url = at(measured())
    assert ask(url, "/status.json", headers={"Host": "evil.example"}).status_code == 403
    allowed = ask(url, "/status.json", headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in allowed.headers


def test_a_unix_socket(start, tmp_path):
    path = tmp_path / "metrics.sock"
    server = start("sleeping", "--metrics-bind", "unix:%s" % path)
    server.get("/")

    def get():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET /status.json HTTP/1.0\r\nHost: gosrv\r\n\r\n")
            return b"".join(iter(lambda: client.recv(65536), b""))

    slowest = wait_for(lambda: json.loads(get().partition(b"\r\n\r\n")[2])["slowest"], "the request in the metrics")
    assert slowest[0]["path"] == "/"  # whoever may use the socket may see it
    server.stop()
    assert not path.exists()


@pytest.mark.parametrize("args, said", [
    (("--metrics-bind", "0.0.0.0:0"), "other machines reach"),
    (("--metrics-bind", "10.1.2.3"), "names no port"),
    (("--metrics-bind", "fd://3"), "no inherited descriptor"),
    (("--metrics-bind", "127.0.0.1:0", "--metrics-token", "short"), "too short"),
])
def test_bad_settings_are_refused(args, said):
    done = harness.run_once("hello", *args)
    assert done.returncode == 1 and said in done.stderr
    assert "short" not in done.stderr.replace("too short", ""), "a token is not for terminals"


def test_an_address_in_use_ends_the_start():
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = harness.run_once("hello", "--bind", "127.0.0.1:0", "--metrics-bind", "127.0.0.1:%d" % other.getsockname()[1])
    assert done.returncode == 1 and "another process listens on port" in done.stderr


def test_a_monitor_that_dies_is_started_again(measured):
    server = measured()
    url = at(server)
    monitor = int(subprocess.run(["pgrep", "-P", str(server.pid), "-f", "^gosrv: monitor"], capture_output=True, text=True, check=True).stdout)
    os.kill(monitor, signal.SIGKILL)
    server.wait_log(r"The monitor \(pid:%d\) was sent SIGKILL; it is started again" % monitor)
    answers(url, "/livez", 200)
    assert server.get("/").status_code == 200


def test_an_upgrade_keeps_the_address(start, tmp_path):
    pidfile = tmp_path / "pid"
    server = start("sleeping", "--pid", pidfile, "--metrics-bind", "127.0.0.1:0")
    url = at(server)
    answers(url, "/readyz", 200)
    assert order("upgrade", "--pid", pidfile).returncode == 0
    masters = Succession(server, pidfile)
    new = masters.recorded()
    wait_for(lambda: ask(url, "/status.json").json()["pid"] == new, "the new master's numbers")
    masters.pid = new
    masters.stop()


def test_who_reads_slowly_or_asks_a_lot_costs_nothing(measured):
    server = measured()
    host, port = at(server)[7:].split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(60)]
    for client in idle[:30]:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert server.get("/").status_code == 200
    for client in idle:
        client.close()
    answers(at(server), "/livez", 200)
    statuses = {ask(at(server), "/metrics").status_code for _ in range(200)}
    assert 200 in statuses and statuses <= {200, 503}


def fits(value, schema, where="status"):
    """A JSON schema's part that the file uses: type, properties, required, items, additionalProperties, const."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}
    wanted = schema.get("type", [])
    assert not wanted or isinstance(value, tuple(types[t] for t in ([wanted] if isinstance(wanted, str) else wanted)) if not isinstance(wanted, str)
                                    else types[wanted]), where
    assert schema.get("const", value) == value, where
    for name in schema.get("required", []):
        if isinstance(value, dict):
            assert name in value, "%s.%s" % (where, name)
    for name, one in value.items() if isinstance(value, dict) else ():
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        assert inner is not None, "%s.%s is not in the schema" % (where, name)
        fits(one, inner, "%s.%s" % (where, name))
    for one in value if isinstance(value, list) else ():
        fits(one, schema["items"], where + "[]")


def test_status_as_json_keeps_to_its_schema(measured, tmp_path):
    schema = json.loads((harness.ROOT / "cmd" / "gosrv" / "docs" / "status.schema.json").read_text())
    pidfile = tmp_path / "pid"
    server = measured("--pid", pidfile)
    server.get("/")
    wait_for(lambda: ask(at(server), "/status.json").json()["slowest"], "the request in the metrics")
    done = order("status", "--json", "--pid", pidfile)
    told = json.loads(done.stdout)
    fits(told, schema)
    fits(ask(at(server), "/status.json").json(), schema)
    assert told["slowest"][0]["path"] == "/" and told["workers"][0]["pss_bytes"] > 0  # whoever may run this may see it
    assert order("stop", "--json").returncode == 2


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_promtool_has_nothing_to_say(measured):
    server = measured()
    server.get("/")
    text = ask(at(server), "/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ask(at(server), "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text.endswith("# EOF\n")


@pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus (Debian: prometheus)")
def test_a_real_prometheus_reads_it(measured, tmp_path):
    server = measured()
    server.get("/sleep?s=0.05", headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: gosrv\n  static_configs: [{targets: ['%s']}]\n" % at(server)[7:])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:%d" % port,
         "--enable-feature=native-histograms,exemplar-storage"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def query(text):
            try:
                found = requests.get("http://127.0.0.1:%d/api/v1/query" % port, params={"query": text}, timeout=5).json()["data"]["result"]
            except (requests.ConnectionError, KeyError, ValueError):
                return None
            return found or None

        assert wait_for(lambda: query("gosrv_ready"), "a scrape", 60)[0]["value"][1] == "1"
        # A native histogram: one series, and quantiles out of it.
        quantile = wait_for(lambda: query("histogram_quantile(0.99, gosrv_http_request_duration_seconds)"), "a native histogram", 60)
        assert 0.05 <= float(quantile[0]["value"][1]) < 1
    finally:
        process.kill()
        process.wait()


def test_routes_are_what_the_application_says(start, tmp_path):
    (tmp_path / "routed.py").write_text(
        "def app(environ, start_response):\n"
        "    path = environ['PATH_INFO']\n"
        "    if path.startswith('/r'):\n"
        "        environ['gosrv.route'] = '/many/%s' % path[2:] if path.startswith('/rm') else '/r/<id>'\n"
        "    start_response('500 No' if path == '/r9' else '200 OK', [])\n"
        "    return [b'ok']\n")
    server = start("routed:app", "--metrics-bind", "127.0.0.1:0", *harness.crew(2), cwd=tmp_path)
    url = at(server)
    answers(url, "/livez", 200)
    for path in ["/r1", "/r2", "/r9", "/other"] + ["/rm%d" % i for i in range(250)]:
        server.get(path)
    now = settled(url, 'gosrv_route_application_seconds_count{route="other"}', {}, 51)
    assert now['gosrv_route_application_seconds_count{route="/r/<id>"}'] == 3
    assert now['gosrv_route_failures_total{route="/r/<id>"}'] == 1
    routes = [name for name in now if name.startswith("gosrv_route_application_seconds_count")]
    assert len(routes) == 201, "200 and the rest as other"


@pytest.mark.not_green("its thread would be a greenlet that never gives way")
def test_the_wait_for_the_gil_is_found(start, tmp_path):
    (tmp_path / "spinning.py").write_text(
        "import threading\n"
        "def spin():\n"
        "    while True:\n"
        "        sum(range(1000))\n"
        "threading.Thread(target=spin, daemon=True).start()\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n")
    server = start("spinning:app", "--metrics-bind", "127.0.0.1:0", cwd=tmp_path)
    url = at(server)
    answers(url, "/livez", 200)
    before = settled(url, 'gosrv_http_requests_total{class="2xx",method="GET"}', {}, 1)
    for _ in range(20):
        server.get("/")
    now = settled(url, 'gosrv_http_requests_total{class="2xx",method="GET"}', before, 20)
    waits = now['gosrv_http_request_phase_seconds_count{phase="gil"}']
    assert waits > 0 and now['gosrv_http_request_phase_seconds_sum{phase="gil"}'] / waits > 0.001  # of a switch interval of 5 ms


MONITORING = harness.ROOT / "cmd" / "gosrv" / "docs" / "monitoring"


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_the_alerts_go_off_when_they_should():
    for args in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(["promtool"] + args, cwd=MONITORING, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_alerts_and_pages_ask_for_what_there_is(start, tmp_path):
    (tmp_path / "routed.py").write_text(
        "def app(environ, start_response):\n    environ['gosrv.route'] = '/'\n    start_response('200 OK', [])\n    return [b'ok']\n")
    server = start("routed:app", "--metrics-bind", "127.0.0.1:0", cwd=tmp_path)
    server.get("/")
    answers(at(server), "/livez", 200)
    shown = requests.get(at(server) + "/metrics", timeout=10).text
    known = set(re.findall(r"^# TYPE (\S+)", shown, re.M)) | {
        "gosrv_worker_proportional_bytes", "gosrv_capacity_used_ratio", "gosrv_accept_wait_seconds",  # a few seconds later
        "gosrv_certificate_left_seconds"}  # over TLS
    json.loads((MONITORING / "dashboard.json").read_text())
    for page in [*MONITORING.iterdir(), MONITORING.parent / "metrics.md"]:
        asked = set(re.findall(r"\bgosrv_[a-z_]+", page.read_text()))
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= known, page.name


def test_the_queue_of_a_trusted_proxy_counts(measured):
    """X-Request-Start says when the request reached the proxy, to whom it may say so."""
    for allowed, more in (("127.0.0.1", 2.0), ("10.0.0.1", 0.0)):
        server = measured("--workers", "1", "--forwarded-allow-ips", allowed)
        url = at(server)
        answered = 'gosrv_http_requests_total{class="2xx",method="GET"}'
        before = settled(url, answered, {}, 1)
        for stamp in ("t=%.3f" % (time.time() - 2), "t=nonsense", "%d" % ((time.time() + 60) * 1000)):
            server.get("/", headers={"X-Request-Start": stamp})
        now = settled(url, answered, before, 3)
        queued = now['gosrv_http_request_phase_seconds_sum{phase="queue"}'] - before['gosrv_http_request_phase_seconds_sum{phase="queue"}']
        assert more <= queued < more + 1
        assert now["gosrv_request_start_ignored_total"] == (2 if more else 0)


def test_workers_say_what_they_take_and_logs_what_they_lose(measured):
    server = measured("--workers", "1", "--access-logfile", "/dev/full", app="hello")
    url = at(server)
    for _ in range(3):
        server.get("/")
    now = wait_for(lambda: (lambda n: n if n["gosrv_log_lines_lost_total"] >= 3 else None)(numbers(url)), "the lost lines")
    began, deadline = now['gosrv_worker_cpu_seconds_total{worker="0"}'], time.monotonic() + 30
    while numbers(url)['gosrv_worker_cpu_seconds_total{worker="0"}'] == began and time.monotonic() < deadline:
        server.get("/")  # /proc counts in hundredths of a second
    assert numbers(url)['gosrv_worker_cpu_seconds_total{worker="0"}'] > began
    assert 0 < now['gosrv_worker_shared_bytes{worker="0"}'] <= now['gosrv_worker_resident_bytes{worker="0"}']
    cpu = ask(url, "/status.json").json()["workers"][0]["cpu_seconds"]
    assert cpu >= now['gosrv_worker_cpu_seconds_total{worker="0"}']


@pytest.mark.not_green("an event loop accepts, whatever its requests wait for")
@pytest.mark.plain_only("a handshake that nobody begins would hold the test up")
def test_the_wait_to_be_accepted_is_seen(measured, tmp_path):
    """Connections that nobody accepts are in no request's queue yet."""
    gate = tmp_path / "gate"
    server = measured("--workers", "1", env={"GATE": str(gate)})
    url = at(server)
    wait_for(lambda: numbers(url).get("gosrv_accept_wait_seconds") == 0, "a look at the queue")
    held = threading.Thread(target=lambda: server.get("/gate"))
    held.start()
    wait_for(lambda: ask(url, "/status.json").json()["capacity"]["threads_busy"] == 1, "the request in the application")
    waiting = [server.wire() for _ in range(5)]
    now = wait_for(lambda: (lambda n: n if n["gosrv_accept_wait_seconds"] > 0.5 else None)(numbers(url)), "the wait in the metrics")
    assert now["gosrv_backlog_connections"] >= 5
    gate.touch()
    held.join()
    for wire in waiting:
        with wire:
            assert wire.get("/").status == 200


def monitor_of(server):
    return int(subprocess.run(["pgrep", "-P", str(server.pid), "-f", "^gosrv: monitor"], capture_output=True, text=True, check=True).stdout)


def test_a_thousand_scrapes_a_second_cost_the_service_nothing(measured):
    """The monitor refuses what is too much, keeps to its memory, and gives way to workers."""
    server = measured("--workers", "2", app="hello")
    url = at(server)
    host, port = url[7:].split(":")
    monitor = monitor_of(server)
    assert os.getpriority(os.PRIO_PROCESS, monitor) == 5
    over = threading.Event()
    statuses = []

    def scrape():
        with socket.create_connection((host, int(port)), timeout=20) as client, client.makefile("rb") as answers:
            while not over.is_set():
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
                for _ in range(50):
                    status, length, chunked = int(answers.readline().split()[1]), 0, False
                    for line in iter(answers.readline, b"\r\n"):
                        name, _, value = line.lower().partition(b":")
                        length = int(value) if name == b"content-length" else length
                        chunked = chunked or name == b"transfer-encoding"
                    while chunked and (size := int(answers.readline(), 16)):
                        answers.read(size + 2)
                    answers.read(2 if chunked else length)
                    statuses.append(status)

    scrapers = [threading.Thread(target=scrape) for _ in range(4)]
    for scraper in scrapers:
        scraper.start()
    began = time.monotonic()
    slowest = 0
    while time.monotonic() - began < 3 or len(statuses) < 1000:
        at_once = time.monotonic()
        assert server.get("/").status_code == 200
        slowest = max(slowest, time.monotonic() - at_once)
    over.set()
    for scraper in scrapers:
        scraper.join()
    assert set(statuses) <= {200, 503} and 200 in statuses
    assert slowest < 2, "a request waited for scrapes"
    with open("/proc/%d/statm" % monitor) as statm:
        assert int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 64 << 20
    answers(url, "/readyz", 200)
    assert monitor_of(server) == monitor


def test_pages_that_nobody_reads_are_bounded(measured):
    server = measured("--workers", "1")
    url = at(server)
    host, port = url[7:].split(":")
    idle = []
    for _ in range(16):
        client = socket.create_connection((host, int(port)))
        client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        idle.append(client)
    refused = ask(url, "/events")
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "10"
    assert ask(url, "/livez").status_code == ask(url, "/metrics").status_code == 200
    assert server.get("/").status_code == 200
    idle.pop().close()

    def opened():
        with requests.get(url + "/events", stream=True, timeout=10) as events:
            return events.status_code == 200

    wait_for(opened, "a place for another page")
    for client in idle:
        client.close()


@pytest.mark.not_green("the test needs threads")
def test_connections_are_told_apart_by_what_they_are_at(measured, tmp_path):
    gate = tmp_path / "gate"
    server = measured("--threads", "2", *harness.KEPT, env={"GATE": str(gate)})
    url = at(server)
    with server.wire() as idle, server.wire() as reading, server.wire() as serving:
        assert idle.get("/").status == 200
        reading.send(b"GET / HTTP/1.1\r\nHo")
        serving.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")

        def seen():
            now = numbers(url)
            return {state: now.get('gosrv_connections_by_state{state="%s"}' % state) for state in ("idle", "reading", "serving")}

        wait_for(lambda: seen() == {"idle": 1, "reading": 1, "serving": 1}, seen)
        gate.touch()
        assert serving.answer().status == 200
        wait_for(lambda: seen() == {"idle": 2, "reading": 1, "serving": 0}, seen)  # though the loop has nothing more to do
