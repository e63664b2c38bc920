"""A real Django project, driven by a real client: login, upload, pages, static files, streaming."""
import hashlib
import re

import pytest
import requests

import harness
import sites

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module", params=["sync", "threads"])
def site(start_shared, tmp_path_factory, request):
    env = sites.prepare(tmp_path_factory.mktemp("site-" + request.param))
    more = ["--threads", "3", *harness.KEPT] if request.param == "threads" else []
    return start_shared("myproject.wsgi", "-w", "2", *more, env=env, cwd=sites.PROJECT)


@pytest.fixture
def visitor():
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        yield session


def token(page):
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text).group(1)


def test_a_template_page(site, visitor):
    page = visitor.get(site.url + "/")
    assert page.status_code == 200
    assert "<h1>Papers sent</h1>" in page.text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_json(site, visitor):
    got = visitor.get(site.url + "/json/?a=caf%C3%A9").json()
    assert got["query"] == {"a": "caf\xe9"}
    assert got["host"] == "127.0.0.1:%d" % site.port
    assert got["secure"] is False
    assert visitor.get(site.url + "/json/", headers={"X-Forwarded-Proto": "https"}).json()["secure"] is True


def test_the_admin_asks_for_a_login_and_takes_it(site, visitor):
    page = visitor.get(site.url + "/admin/")
    assert "/admin/login/" in page.url
    name, password = sites.ADMIN
    page = visitor.post(page.url, data={"username": name, "password": "wrong", "csrfmiddlewaretoken": token(page)})
    assert "Please enter the correct username" in page.text
    page = visitor.post(page.url, data={"username": name, "password": password, "csrfmiddlewaretoken": token(page)})
    assert page.url == site.url + "/admin/"
    assert "Site administration" in page.text
    page = visitor.get(site.url + "/admin/papers/paper/add/")
    page = visitor.post(page.url, data={"name": "by hand", "size": 1, "sha256": "0" * 64, "csrfmiddlewaretoken": token(page)})
    assert "was added successfully" in page.text


def test_a_form_without_its_token_is_refused(site, visitor):
    assert visitor.post(site.url + "/send/", data={"note": "x"}).status_code == 403


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_an_upload(site, visitor, size):
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    page = visitor.get(site.url + "/send/")
    page = visitor.post(
        page.url, data={"note": "na\xefve \u20ac", "csrfmiddlewaretoken": token(page)}, files={"paper": ("r\xe9sum\xe9.bin", content)}
    )
    if size == 0:
        assert "The submitted file is empty." in page.text
        return
    assert re.search(r"/papers/\d+/$", page.url)
    assert '<dd id="name">r\xe9sum\xe9.bin</dd>' in page.text
    assert '<dd id="size">%d</dd>' % size in page.text
    assert hashlib.sha256(content).hexdigest() in page.text
    assert '<dd id="note">na\xefve \u20ac</dd>' in page.text


def test_static_files_come_compressed_and_cacheable(site, visitor):
    path = re.search(r'href="(/static/papers/site\.[0-9a-f]+\.css)"', visitor.get(site.url + "/").text).group(1)
    plain = visitor.get(site.url + path)
    assert plain.status_code == 200 and "font-family" in plain.text
    assert "immutable" in plain.headers["Cache-Control"]
    packed = visitor.get(site.url + "/static/admin/css/base.css", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and "body" in packed.text
    again = visitor.get(site.url + "/static/admin/css/base.css", headers={"If-Modified-Since": packed.headers["Last-Modified"]})
    assert again.status_code == 304 and again.content == b""
    part = visitor.get(site.url + path, headers={"Range": "bytes=5-14"})
    assert part.status_code == 206 and part.content == plain.content[5:15]
    assert visitor.head(site.url + path).headers["Content-Length"] == str(len(plain.content))


def test_a_streamed_answer(site, visitor):
    got = visitor.get(site.url + "/stream/?n=20000", stream=True)
    assert got.headers.get("Transfer-Encoding") == "chunked"
    lines = list(got.iter_lines())
    assert len(lines) == 20000 and lines[-1] == b"line 19999"


def test_a_file_answer(site, visitor):
    assert visitor.get(site.url + "/source/").content == (sites.PROJECT / "papers" / "views.py").read_bytes()


def test_an_exception_is_djangos_500_page(site, visitor):
    page = visitor.get(site.url + "/fails/")
    assert page.status_code == 500 and "RAISED" not in page.text
    site.wait_log("RAISED-in-django")


def test_a_page_that_is_not_there(site, visitor):
    assert visitor.get(site.url + "/nowhere/").status_code == 404
    assert visitor.get(site.url + "/send").url == site.url + "/send/"
