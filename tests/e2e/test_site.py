"""The site that `make docs-site` makes, in a browser: on a telephone, without JavaScript, and its search. `make test` builds it."""
import os
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import test_browser

SITE = os.environ.get("GOSRV_SITE")
pytestmark = [
    pytest.mark.gosrv_only("it is about gosrv's pages"),
    pytest.mark.skipif(not SITE, reason="no site was built: tests/run.py test builds one, and names it in GOSRV_SITE"),
    pytest.mark.skipif(not (test_browser.CHROMIUM and shutil.which("chromedriver")), reason="needs chromium and chromedriver (Debian: chromium chromium-driver)"),
]
PAGES = sorted(path.relative_to(SITE).as_posix() for path in Path(SITE).rglob("*.html") if path.name != "404.html") if SITE else []


def opened(folder, javascript):
    options = webdriver.ChromeOptions()
    options.binary_location = test_browser.CHROMIUM
    for flag in test_browser.FLAGS + ["--allow-file-access-from-files", "--user-data-dir=%s" % folder]:
        options.add_argument(flag)
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(test_browser.DRIVER))
    driver.set_page_load_timeout(30)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    return driver


@pytest.fixture(scope="module")
def telephone(tmp_path_factory):
    driver = opened(tmp_path_factory.mktemp("profile"), True)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    driver = opened(tmp_path_factory.mktemp("plain"), False)
    yield driver
    driver.quit()


def test_all_is_built():
    assert len(PAGES) > 25


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_as_wide_as_a_telephone(telephone, page):
    telephone.get("file://%s/%s" % (SITE, page))
    assert telephone.execute_script("return document.documentElement.scrollWidth") <= 360
    assert telephone.find_element(By.CSS_SELECTOR, "article h1").is_displayed()


@pytest.mark.parametrize("page", ["index.html", "settings.html", "troubleshooting.html", "deploy/nginx.html"])
def test_a_page_is_read_without_javascript(plain, page):
    plain.get("file://%s/%s" % (SITE, page))
    article = plain.find_element(By.CSS_SELECTOR, "article")
    assert len(article.text) > 500
    assert article.rect["x"] >= 0 and article.rect["x"] + article.rect["width"] <= 360
    plain.find_element(By.CSS_SELECTOR, "label.md-header__button[for=__drawer]").click()  # the menu
    WebDriverWait(plain, 20).until(lambda _: plain.find_element(By.CSS_SELECTOR, ".md-sidebar--primary").rect["x"] >= 0)


def test_the_search_finds_a_message(telephone):
    telephone.get("file://%s/index.html" % SITE)
    telephone.find_element(By.CSS_SELECTOR, "label.md-header__button[for=__search]").click()
    box = telephone.find_element(By.CSS_SELECTOR, "input.md-search__input")
    WebDriverWait(telephone, 20).until(lambda _: box.is_displayed() and box.is_enabled())
    box.send_keys("refuses a descriptor epoll")
    found = WebDriverWait(telephone, 30).until(lambda _: telephone.find_elements(By.CSS_SELECTOR, ".md-search-result__link"))
    assert any("troubleshooting.html" in link.get_attribute("href") for link in found)
