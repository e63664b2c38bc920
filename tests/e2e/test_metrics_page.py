"""The page of --metrics-bind, in a real browser."""
import re
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from test_browser import CHROMIUM, DRIVER
from test_metrics import answers, at
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn has no such page"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER and shutil.which(DRIVER)), reason="needs chromium and chromedriver (Debian: chromium chromium-driver)"),
]


def chromium(folder, *more):
    """A headless browser with a profile of its own; the caller quits it."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=%s" % (folder / "profile"), *more):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


@pytest.fixture(params=["light", "dark"])
def browser(request, tmp_path):
    driver = chromium(tmp_path, *["--blink-settings=preferredColorScheme=0"] * (request.param == "dark"))
    yield driver
    driver.quit()


def test_the_page_is_live_at_any_width(start, browser, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "def app(environ, start_response):\n"
        "    environ['gosrv.route'] = environ['PATH_INFO']\n"
        "    time.sleep(0.3 if environ['PATH_INFO'] == '/report' else 0)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n")
    server = start("slow:app", "--workers", "2", "--metrics-bind", "127.0.0.1:0", cwd=tmp_path)
    answers(at(server), "/livez", 200)
    for path in ("/fast",) * 10 + ("/report",):
        server.get(path)
    for width in (360, 800, 1400):
        browser.set_window_size(width, 1000)
        browser.get(at(server) + "/")
        wait_for(lambda: browser.find_element(By.ID, "state").text == "serving", "the first event")
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its window"
    waits = wait_for(lambda: browser.execute_script("""return [...document.querySelectorAll('#slow tr')]
        .filter(e => e.innerText.includes('/report')).map(e => e.querySelector('svg').getAttribute('aria-label'))"""), "the slow one")
    assert re.search("application [3-9][0-9][0-9] ms", waits[0])  # 300 ms and some
    before = browser.find_element(By.ID, "about").text
    server.get("/fast")
    wait_for(lambda: browser.find_element(By.ID, "about").text != before, "the next second")
    server.send_signal(1)
    server.wait_log("Generation 2 serves")
    wait_for(lambda: "generation 2" in browser.find_element(By.ID, "about").text, "the reload on the page")
    unnamed = browser.execute_script("""return [...document.querySelectorAll('svg[role=img], [role=region], section')]
        .filter(e => !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).length""")
    assert unnamed == 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
