"""Django's login and the upload in a real browser: headless Chromium."""
import hashlib
import shutil

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import sites

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium chromium-driver)"),
    pytest.mark.not_green("the pages are those of test_django"),
]
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


def wait(browser, look):
    """What look() gives, once it gives something: after a click the old page may still be there."""
    return WebDriverWait(browser, 30, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException]).until(lambda _: look())


def has_text(browser, css, text):
    wait(browser, lambda: text in browser.find_element(By.CSS_SELECTOR, css).text)
    return True


def element(browser, by, name):
    return wait(browser, lambda: browser.find_element(by, name))


def test_the_page_has_its_style(site, browser):
    browser.get(site.url + "/")
    assert has_text(browser, "h1", "Papers sent")
    assert browser.find_element(By.CSS_SELECTOR, "h1").value_of_css_property("color") == "rgba(0, 85, 119, 1)"


def test_login_to_the_admin(site, browser):
    browser.get(site.url + "/admin/")
    assert "/admin/login/" in browser.current_url
    browser.find_element(By.NAME, "username").send_keys(sites.ADMIN[0])
    browser.find_element(By.NAME, "password").send_keys(sites.ADMIN[1])
    browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
    assert has_text(browser, "#content h1", "Site administration")
    element(browser, By.LINK_TEXT, "Papers").click()
    assert has_text(browser, "#content h1", "Select paper to change")


def test_send_a_file(site, browser, tmp_path):
    content = b"from a browser \xff\x00" * 50_000
    path = tmp_path / "from a browser.bin"
    path.write_bytes(content)
    browser.get(site.url + "/")
    browser.find_element(By.ID, "send-link").click()
    element(browser, By.NAME, "note").send_keys("sent by Chromium")
    browser.find_element(By.NAME, "paper").send_keys(str(path))
    browser.find_element(By.ID, "send").click()
    assert has_text(browser, "#name", "from a browser.bin")
    assert browser.find_element(By.ID, "size").text == str(len(content))
    assert browser.find_element(By.ID, "sha256").text == hashlib.sha256(content).hexdigest()
    assert browser.find_element(By.ID, "note").text == "sent by Chromium"
