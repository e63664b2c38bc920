"""Django's admin over HTTPS in a real browser, which knows the certificate by its key only, as of a machine at home."""
import base64
import hashlib
import subprocess

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

import sites
import test_browser
from test_browser import CHROMIUM, DRIVER, FLAGS, has_text

pytestmark = [
    *test_browser.pytestmark, pytest.mark.gosrv_only("Gunicorn makes no certificate of its own"),
    pytest.mark.plain_only("its servers speak TLS anyway, with certificates of their own"),
]


def key_of(certificate):
    """The hash of a certificate's public key, as Chromium takes it (RFC 7469 2.4)."""
    key = subprocess.run(["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def site(start, tmp_path):
    env = dict(sites.prepare(tmp_path / "site"), XDG_CACHE_HOME=str(tmp_path / "cache"))
    return start("--tls-self-signed", "myproject.wsgi", "-w", "2", env=env, cwd=sites.PROJECT, ready=None)


@pytest.fixture
def browser(site, tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS + ["--user-data-dir=%s" % (tmp_path / "profile"), "--ignore-certificate-errors-spki-list=" + key_of(tmp_path / "cache/gosrv/self-signed.pem")]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


def test_login_to_the_admin(site, browser):
    browser.get("https://localhost:%d/admin/" % site.port)
    assert "/admin/login/" in browser.current_url and browser.execute_script("return isSecureContext")
    browser.find_element(By.NAME, "username").send_keys(sites.ADMIN[0])
    browser.find_element(By.NAME, "password").send_keys(sites.ADMIN[1])
    browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()  # Django checks Origin and Referer of an https page
    assert has_text(browser, "#content h1", "Site administration")
    assert browser.find_element(By.ID, "header").value_of_css_property("background-color") != "rgba(0, 0, 0, 0)"  # its style came too
    entry = browser.execute_script("return performance.getEntriesByType('navigation')[0].nextHopProtocol")
    assert entry == "http/1.1"
