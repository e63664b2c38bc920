"""A person looks for the slow view of a site under load: on the page, in gosrv top and in Prometheus's numbers."""
import contextlib
import re
import shutil
import threading

import pytest
from selenium.webdriver.common.by import By

import harness
import sites
from masters import Succession
from test_browser import CHROMIUM, DRIVER
from test_metrics import answers, at, numbers
from test_metrics_page import chromium
from test_orders import order
from test_top import Terminal
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn shows none of it"),
    pytest.mark.not_green("the site is Django's, of which gevent measures no queue"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER and shutil.which("tmux")), reason="needs chromium, chromedriver and tmux"),
]
# The example project with the middleware of the documentation, and one view that a report has made slow.
SITE = """
import time
from myproject.wsgi import application as site

def application(environ, start_response):
    environ["gosrv.route"] = environ["PATH_INFO"]
    if environ["PATH_INFO"] == "/report/":
        time.sleep(0.4)
        start_response("200 OK", [])
        return [b"a report"]
    return site(environ, start_response)
"""


@pytest.fixture
def seen(start, tmp_path):
    """The site, its metrics' address, a browser with the page, and a terminal with top."""
    with contextlib.ExitStack() as rest:
        (tmp_path / "reports.py").write_text(SITE)
        env = sites.prepare(tmp_path / "data")
        server = start("reports", "--workers", "1", "--pythonpath", str(tmp_path), "--metrics-bind", "127.0.0.1:0", "--pid", tmp_path / "pid",
                       env=env, cwd=sites.PROJECT)
        answers(at(server), "/livez", 200)
        browser = chromium(tmp_path)
        rest.callback(browser.quit)
        browser.get(at(server) + "/")
        screen = Terminal(tmp_path, [harness.binary(), "top", "--pid", tmp_path / "pid"], 120, 40)
        rest.callback(screen.close)
        yield server, at(server), browser, screen


@contextlib.contextmanager
def load(server):
    """Fast pages for three clients, and the report for one, in this block."""
    over = threading.Event()

    def ask(path):
        while not over.is_set():
            assert server.get(path).status_code == 200

    clients = [threading.Thread(target=ask, args=(path,)) for path in ("/", "/", "/", "/report/")]
    for client in clients:
        client.start()
    yield
    over.set()
    for client in clients:
        client.join()


def waits(browser, path):
    """What the page's bars say of requests of a path, as a screen reader reads them."""
    return browser.execute_script(
        """return [...document.querySelectorAll('#slow tr')].filter(e => e.cells[0].innerText.startsWith('GET ' + arguments[0] + ' '))
        .map(e => e.querySelector('svg').getAttribute('aria-label'))""", path)


def test_which_view_is_slow_and_what_waits_for_it(seen):
    server, url, browser, screen = seen
    with load(server):
        # The page: the report is 0.4 s in the application, the fast ones wait as long in the queue.
        assert any(re.search(r"application 4\d\d ms", text) for text in wait_for(lambda: waits(browser, "/report/"), "the report on the page", 30))
        wait_for(lambda: any(re.search(r"queue [3-9]\d\d ms", text) for text in waits(browser, "/")), lambda: "a page that waited, among %s" % waits(browser, "/"), 30)
        routes = wait_for(lambda: browser.execute_script("return [...document.querySelectorAll('#routes tr')].map(e => e.cells[0].innerText)"), "the routes")
        assert routes[0] == "/report/", "most time in the application"
        assert "of" in browser.find_element(By.ID, "tiles").text
        # The terminal: at what the worker is now, and the slowest.
        screen.shows(r"busy .* GET /report/  127\.0\.0\.1:\d+")
        screen.shows(r" 4\d\dms +\S+ +\S+ +4\d\dms .* 200 GET /report/")
        # Prometheus: the route's mean is the report's, and the queue is most of what the others took.
        def under_load():
            found = numbers(url)
            # After ten seconds of it all of the one thread's time is used.
            return found if found['gosrv_route_application_seconds_count{route="/"}'] >= 20 and found["gosrv_capacity_used_ratio"] > 0.8 else None

        now = wait_for(under_load, "twenty pages, and a worker without time", 60)
    report, page = ({part: now['gosrv_route_%s{route="%s"}' % (part, route)] for part in ("application_seconds_sum", "application_seconds_count", "queue_seconds_total")}
                    for route in ("/report/", "/"))
    assert 0.4 <= report["application_seconds_sum"] / report["application_seconds_count"] < 0.6
    assert page["queue_seconds_total"] > 2 * page["application_seconds_sum"]


def test_the_page_stays_open_over_reload_and_upgrade(seen, tmp_path):
    server, url, browser, screen = seen
    about = lambda: browser.find_element(By.ID, "about").text
    wait_for(lambda: "pid %d" % server.pid in about(), "the page", 30)
    server.send_signal(1)
    server.wait_log("Generation 2 serves", 60)
    wait_for(lambda: "generation 2" in about(), "the reload on the page", 30)
    assert order("upgrade", "--pid", tmp_path / "pid").returncode == 0
    masters = Succession(server, tmp_path / "pid")
    new = masters.recorded()
    wait_for(lambda: "pid %d" % new in about(), lambda: "the new master on the page: %s" % about(), 60)
    assert browser.find_element(By.ID, "state").text == "serving"
    assert server.get("/").status_code == 200
    masters.pid = new
    masters.stop()
