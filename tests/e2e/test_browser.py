"""Django's login and the upload in a real browser: headless Chromium."""
import hashlib
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import sites

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium chromium-driver)")
# As root there is no sandbox; without the network flags a browser looks up hosts that a closed network refuses.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1000,800",
]


@pytest.fixture(scope="module")
def site(start_shared, tmp_path_factory):
    env = sites.prepare(tmp_path_factory.mktemp("site"))
    return start_shared("myproject.wsgi", "-w", "2", env=env, cwd=sites.PROJECT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS + ["--user-data-dir=%s" % tmp_path_factory.mktemp("profile")]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


def text_of(browser, css):
    return WebDriverWait(browser, 15).until(lambda b: b.find_element(By.CSS_SELECTOR, css)).text


def test_the_page_has_its_style(site, browser):
    browser.get(site.url + "/")
    assert text_of(browser, "h1") == "Papers sent"
    assert browser.find_element(By.CSS_SELECTOR, "h1").value_of_css_property("color") == "rgba(0, 85, 119, 1)"


def test_login_to_the_admin(site, browser):
    browser.get(site.url + "/admin/")
    assert "/admin/login/" in browser.current_url
    browser.find_element(By.NAME, "username").send_keys(sites.ADMIN[0])
    browser.find_element(By.NAME, "password").send_keys(sites.ADMIN[1])
    browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
    assert "Site administration" in text_of(browser, "#content h1")
    browser.find_element(By.LINK_TEXT, "Papers").click()
    assert "Select paper to change" in text_of(browser, "#content h1")


def test_send_a_file(site, browser, tmp_path):
    content = b"from a browser \xff\x00" * 50_000
    path = tmp_path / "from a browser.bin"
    path.write_bytes(content)
    browser.get(site.url + "/")
    browser.find_element(By.ID, "send-link").click()
    browser.find_element(By.NAME, "note").send_keys("sent by Chromium")
    browser.find_element(By.NAME, "paper").send_keys(str(path))
    browser.find_element(By.ID, "send").click()
    assert text_of(browser, "#name") == "from a browser.bin"
    assert text_of(browser, "#size") == str(len(content))
    assert text_of(browser, "#sha256") == hashlib.sha256(content).hexdigest()
    assert text_of(browser, "#note") == "sent by Chromium"
