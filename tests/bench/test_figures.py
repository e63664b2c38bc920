"""The arithmetic and the accounting of the benchmark: what would make its figures wrong without anybody noticing."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from types import SimpleNamespace

import checks
import compare
import figures
import front
import load
import processes
import pytest
import scenarios


# -- figures -------------------------------------------------------------------------------------------------------

def test_a_figure_is_the_median_with_its_ends():
    f = figures.Figure([9, 1, 5])
    assert (f.median, f.low, f.high) == (5, 1, 9)


def test_one_spoilt_round_does_not_widen_the_spread_but_a_quarter_does():
    assert figures.spread([10, 10, 10, 10, 99]) == 0
    assert figures.spread([10, 10, 99, 99]) > 50


def test_nothing_is_known_of_the_spread_of_one_round():
    assert figures.spread([3]) == float("inf")
    assert figures.Ratio([20], [10]).value is None


def test_a_clear_ratio_is_printed():
    r = figures.Ratio([20, 21, 19], [10, 10, 10])
    assert r.value == 2 and str(r) == "2.00"


def test_a_ratio_within_the_noise_is_refused():
    r = figures.Ratio([10, 12, 9], [10, 10, 10])
    assert r.value is None and str(r) == "?"


def test_equal_servers_have_no_ratio():
    assert str(figures.Ratio([10, 11, 9, 10, 12], [10, 10, 11, 10, 9])) == "?"


def test_what_slows_both_down_in_a_round_cancels_out():
    assert figures.Ratio([12, 24, 18], [10, 20, 15]).value == pytest.approx(1.2)


def test_a_base_without_a_value_gives_no_ratio():
    assert figures.Ratio([1, 2], [0, 0]).value is None


def test_cpu_per_request():
    assert figures.cpu_per_request(1.5, 100000) == 15
    assert figures.cpu_per_request(1.5, 0) is None


# -- CPU and memory of a tree --------------------------------------------------------------------------------------

BURN = "import time\nend = time.process_time() + %s\nwhile time.process_time() < end: pass\n"


def child(code):
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def test_living_threads_count_in_nanoseconds():
    before = processes.Usage(100, {(1, 1): 1_000, (1, 2): 5_000})
    assert before.until(processes.Usage(100, {(1, 1): 2_000, (1, 2): 6_500})) == pytest.approx(2.5e-6)


def test_ticks_count_when_a_thread_came_or_went():
    before = processes.Usage(100, {(1, 1): 1_000})
    later = processes.Usage(100 + processes.TICK, {(1, 1): 9_000, (2, 2): 5})
    assert before.until(later) == 1


def test_the_time_of_children_that_have_ended_is_counted():
    code = "import subprocess, sys\nprint(flush=True); sys.stdin.readline()\nsubprocess.run([sys.executable, '-c', %r])\nprint(flush=True); sys.stdin.readline()" % (BURN % 0.3)
    process = child(code)
    try:
        process.stdout.readline()
        before = processes.usage(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        later = processes.usage(process.pid)
        used = processes.Usage(before.ticks, {}).until(processes.Usage(later.ticks, {}))
        assert 0.25 <= used <= 3, used
    finally:
        process.kill()
        process.wait()


def test_the_time_of_a_living_child_is_counted():
    code = "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', %r], stdin=subprocess.PIPE, stdout=sys.stdout)\nsys.stdin.readline()" % (
        BURN % 0.2 + "print('done', flush=True)\nimport sys; sys.stdin.readline()")
    process = child(code)
    try:
        process.stdout.readline()
        used = processes.usage(process.pid)
        assert len(processes.tree(process.pid)) == 2
        assert sum(used.threads.values()) >= 0.2e9 and used.ticks >= 0.15 * processes.TICK
        rss, pss = processes.memory(process.pid)
        assert 0 < pss < rss
    finally:
        for p in processes.tree(process.pid):
            os.kill(p, 9)
        process.wait()


def test_nothing_of_a_server_survives_its_stop(tmp_path):
    code = ("import os, signal, socket, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.fork()\n"
            "s = socket.create_server(('127.0.0.1', int(sys.argv[1]))) if os.getppid() == %d else None\ntime.sleep(600)" % os.getpid())
    port = processes.free_port()
    server = processes.Server([sys.executable, "-c", code, str(port)], "0", log=tmp_path / "log", port=port)
    server.wait()
    deadline = time.monotonic() + 30
    while len(processes.tree(server.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    family = processes.tree(server.pid)
    server.stop(seconds=0)
    deadline = time.monotonic() + 30
    alive = family
    while alive and time.monotonic() < deadline:  # init reaps what this process did not adopt
        alive = [p for p in alive if (processes.stat_fields(p) or "Z")[0] not in "ZX"]
    assert len(family) == 3 and not alive


def test_a_server_that_ends_at_once_is_named_with_its_last_words(tmp_path):
    server = processes.Server([sys.executable, "-c", "raise SystemExit('no such module')"], "0", log=tmp_path / "log", port=1)
    with pytest.raises(processes.NotServing, match="no such module"):
        server.wait()
    server.stop()


# -- what is sent and what is due ----------------------------------------------------------------------------------

def test_varied_requests_never_repeat_and_are_the_same_in_every_run():
    first = scenarios.varied()
    assert len(first) == len(set(first)) == scenarios.VARIANTS * scenarios.CONNECTIONS
    blocks = {text.partition(b"\r\n")[2] for text in first}
    assert len(blocks) == len(first)
    assert first[-1] == scenarios.varied()[-1]


def test_browser_has_14_headers():
    head = scenarios.browser()[0].split(b"\r\n\r\n")[0]
    assert len(head.split(b"\r\n")) == 15


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda s: s.name)
def test_the_floors_answer_is_the_answer_that_is_due(scenario):
    sample = scenario.requests()[0] if scenario.name not in ("varied", "upload10m") else scenarios.browser()[0]
    if scenario.name == "upload10m":
        sample = scenarios.request("/upload", method="POST", body=b"12345")
    whole, writes = scenarios.floor_answer(scenario, sample)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert sum(writes) == len(whole) and max(1, scenario.pieces) == len(writes)
    if not scenario.pieces:
        assert body == scenario.due(sample) and b"Content-Length: %d" % len(body) in head


def test_requests_file(tmp_path):
    load.write_requests(tmp_path / "r", [b"GET / HTTP/1.1\r\n\r\n", b"\n\n"])
    assert (tmp_path / "r").read_bytes() == b"18\nGET / HTTP/1.1\r\n\r\n\n2\n\n\n\n"


# -- checks --------------------------------------------------------------------------------------------------------

class Got:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, self
        self.fields = headers

    def get_all(self, name):
        return self.fields.get(name)


@pytest.mark.parametrize("got, words", [
    (Got(500, b"x", {}), "status 500"), (Got(200, b"xy", {}), "byte 1"), (Got(200, b"y", {}), "byte 0"),
    (Got(200, b"x", {}), "missing"), (Got(200, b"x", {"a": ["1", "1"]}), "header a"), (Got(200, b"x", {"a": ["2"]}), "header a"),
])
def test_a_wrong_answer_is_told_apart(got, words):
    with pytest.raises(checks.Wrong, match=words):
        checks.compare(got, b"x", {"a": "1"})


def test_a_right_answer_passes():
    checks.compare(Got(200, b"x", {"a": ["1, 2"]}), b"x", {"a": "1, 2"})


def test_bare_c_answers_as_told(tmp_path):
    binary = tmp_path / "limit"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", str(binary), str(load.HERE / "limit.c")], check=True)
    stream = next(s for s in scenarios.SCENARIOS if s.name == "stream")
    answer, writes = scenarios.floor_answer(stream, scenarios.request("/"))
    (tmp_path / "answer").write_bytes(answer)
    port = processes.free_port()
    server = processes.Server([str(binary), str(port), "answer=%s" % (tmp_path / "answer"), "pieces=" + ",".join(map(str, writes)), "close=1", "delay=2"],
                              "0", log=tmp_path / "log", port=port)
    try:
        server.wait()
        wire = checks.Wire(port)
        for _ in range(3):
            checks.compare(wire.ask(scenarios.request("/")), scenarios.PIECE * 10, {})
        assert wire.connections == 1
        checks.compare(wire.ask(scenarios.request("/", "Connection: close")), scenarios.PIECE * 10, {})
        assert wire.socket.recv(1) == b""
        wire.close()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def open_loop(tmp_path_factory):
    return load.build_open_loop(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def floor(tmp_path):
    """Starts bare C with options; its port."""
    binary, started = tmp_path / "limit", []
    subprocess.run(["cc", "-O1", "-o", str(binary), str(load.HERE / "limit.c")], check=True)

    def start(*options):
        port = processes.free_port()
        started.append(processes.Server([str(binary), str(port), *options], "0", log=tmp_path / "log", port=port))
        started[-1].wait()
        return port

    yield start
    for server in started:
        server.stop()


def test_an_open_loop_asks_as_often_as_told_and_counts_each_answer_once(open_loop, floor, tmp_path):
    (tmp_path / "request").write_bytes(scenarios.request("/"))
    result = load.run_open(open_loop, floor(), tmp_path / "request", 500, 8, 1, "0,1")
    assert 430 < result["requests"] < 570 and not any(result["errors"].values())
    assert 0 < result["p50"] <= result["p99"] <= result["max"]


def test_the_wait_of_a_request_that_found_no_connection_free_is_counted(open_loop, floor, tmp_path):
    (tmp_path / "request").write_bytes(scenarios.request("/"))
    port = floor("delay=50")  # 20 a second over one connection: at 60 due a second they queue up
    result = load.run_open(open_loop, port, tmp_path / "request", 60, 1, 1, "0,1")
    assert result["p50"] > 300 and result["max"] > 1000, result


def test_an_open_loop_opens_what_the_server_has_closed(open_loop, floor, tmp_path):
    (tmp_path / "request").write_bytes(scenarios.request("/", "Connection: close"))
    result = load.run_open(open_loop, floor("close=1"), tmp_path / "request", 300, 4, 1, "0,1")
    assert result["requests"] > 200 and not any(result["errors"].values()), result


def test_an_open_loop_that_cannot_run_says_so(open_loop, tmp_path):
    with pytest.raises(RuntimeError, match="code 2"):
        load.run_open(open_loop, 1, tmp_path / "none", 100, 1, 1, "0")


def test_time_that_is_short_takes_rounds_from_all_scenarios_alike():
    everything = [p for p in compare.peers.PEERS if p.name in scenarios.APPLICATION_PEERS]
    plan = compare.Plan(everything, (), 0)
    chosen, _ = scenarios.chosen(scenarios.APPLICATIONS)
    whole = plan.seconds(chosen)
    plan.fit(chosen, whole * 0.6)
    assert compare.LEAST_ROUNDS <= plan.rounds(chosen[0]) < chosen[0].rounds and plan.seconds(chosen) <= whole * 0.6
    plan.fit(chosen, 1)
    assert {plan.rounds(s) for s in chosen} == {compare.LEAST_ROUNDS}


def test_who_takes_part():
    flask, hello, green = (next(s for s in scenarios.SCENARIOS if s.name == name) for name in ("flask", "hello", "green-hello"))
    by_name = {p.name: p for p in compare.peers.PEERS}
    assert flask.takes(by_name["bjoern"], ()) and not flask.takes(by_name["waitress"], ()) and flask.takes(by_name["waitress"], ("waitress",))
    assert hello.takes(by_name["waitress"], ()) and not hello.takes(by_name["gosrv gevent"], ())
    assert green.takes(by_name["gosrv gevent"], ()) and not green.takes(by_name["bjoern"], ("bjoern",))


# -- the README's first screen -------------------------------------------------------------------------------------

def a_run():
    """As little of raw.json as the first screen needs; one server has a wrong answer, one leaves close() out."""
    rounds = [{"rps": 1000.0 + n, "p99": 2.5} for n in range(3)]
    rows = {"gosrv": {"rounds": rounds, "remarks": []}, "bjoern": {"rounds": rounds[:1], "remarks": []},
            "freastal": {"rounds": rounds, "remarks": ["never calls close()"]}, "granian": {"rounds": rounds, "remarks": [], "wrong": "status 500"}}
    return {"begun": "2026-11-30 12:00:00 UTC", "machine": {"cpu": "A & B <CPU>", "cores": 2, "python": "3.11.7"},
            "peers": {"bjoern": {"version": "bjoern 3.2.2"}}, "scenarios": {name: {"rows": rows} for name, _ in (*front.COLUMNS, *front.HALF)}}


def test_the_first_table_has_ours_first_and_nobody_whose_answers_are_wrong():
    lines = front.table(a_run()).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| **gosrv**", "| freastal", "| bjoern 3.2.2"]
    assert "**1,001**" in lines[2] and "2.5 ms" in lines[3]
    assert "freastal never calls the answer's `close()`" in front.block(a_run(), front.RESULTS / "x")


@pytest.mark.parametrize("mode", front.COLORS)
def test_the_chart_says_in_words_what_it_shows(mode):
    root = xml.fromstring(front.chart(a_run(), mode))
    names = {child.get("id"): child.text for child in root if child.get("id")}
    assert root.get("role") == "img" and set(root.get("aria-labelledby").split()) == set(names)
    assert "Flask gosrv 1,001" in names["desc"]


def test_a_run_without_all_of_it_draws_nothing():
    raw = a_run()
    assert front.complete(raw)
    del raw["scenarios"]["flask-half"]
    assert not front.complete(raw)


def test_both_pages_have_their_marks():
    for path in (front.README, front.PAGE):
        assert front.replaced(path.read_text(), "there") != path.read_text(), path


def test_readme_and_chart_are_of_the_newest_run_that_is_kept():
    raw, folder = front.newest()
    if raw is None:
        pytest.skip("no run of the applications is kept")
    assert front.picture(raw) in front.README.read_text()
    assert front.block(raw, folder) in front.PAGE.read_text()
    for mode in front.COLORS:
        assert (front.ASSETS / ("bench-%s.svg" % mode)).read_text() == front.chart(raw, mode)


def test_an_unfinished_run_leaves_the_last_complete_state(tmp_path):
    compare.save(tmp_path / "raw.json", {"a": 1})
    with pytest.raises(TypeError):
        compare.save(tmp_path / "raw.json", {"a": object()})
    assert json.loads((tmp_path / "raw.json").read_text()) == {"a": 1}


@pytest.mark.parametrize("closing", [True, False])
def test_who_never_calls_close_is_found(closing):
    """A server that answers one request at a time, and calls close() or not."""
    probed = [None]

    class Wire:
        def ask(self, text):
            if b"/probe" in text:
                probed[0] = closing
            return SimpleNamespace(body=str(probed[0]).encode())

    assert checks.closes(Wire()) == closing


# -- the profile ---------------------------------------------------------------------------------------------------

def test_a_c_stack_is_set_on_the_go_stack_that_calls_it():
    import flame

    go = [("runtime.main", "Go"), ("gosrv/wsgi.Run", "Go"), ("gosrv/cgo._Cfunc_gosrv_app_call", "Go")]
    c = [("runtime.asmcgocall.abi0", "Go"), ("_cgo_0a1b_Cfunc_gosrv_app_call", "gosrv's C"), ("PyObject_Call", "CPython")]
    other = [("_start", "libc and others"), ("main", "gosrv's C")]
    assert flame.joined([go + [("runtime.cgocall", "Go")], c, other]) == [go + [("runtime.cgocall", "Go")], go + c, other]
    assert flame.folded([go, go]) == ["runtime.main;gosrv/wsgi.Run;gosrv/cgo._Cfunc_gosrv_app_call 2"]


@pytest.mark.parametrize("symbol, dso, kind", [
    ("tcp_ack", "[kernel.kallsyms]", "kernel"), ("_PyEval_EvalFrameDefault", "/x/libpython3.11.so.1.0", "CPython"),
    ("gosrv/wsgi.(*slot).turn", "/x/gosrv", "Go"), ("memeqbody", "/x/gosrv", "Go"), ("put_headers", "/x/gosrv", "gosrv's C"), ("put_pair", "/x/libgosrv.so", "gosrv's C"), ("memcpy", "/x/libc.so.6", "libc and others"),
])
def test_whose_code_a_frame_is(symbol, dso, kind):
    import flame

    assert flame.kind_of(symbol, dso) == kind
