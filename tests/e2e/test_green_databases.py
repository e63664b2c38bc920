"""Django in greenlets, with SQLite and with a real PostgreSQL: many visitors at once, each with a session, a form and an upload."""
import concurrent.futures
import hashlib
import os
import re

import pytest
import requests

import sites
from waiting import wait_for

pytestmark = pytest.mark.green
VISITORS = 10


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(start_shared, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("site-" + request.param)
    if request.param == "sqlite":
        env = sites.prepare(folder)
    else:
        env = sites.prepare_postgres(folder, request.getfixturevalue("postgres"), "site%d" % os.getpid())
    return start_shared("myproject.wsgi", "-w", "2", "--timeout", "120", env=env, cwd=sites.PROJECT)


def token(page):
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text).group(1)


def visit(url, number):
    """Sends a paper through the form and reads it back; then logs in as the administrator."""
    data = os.urandom(200_000)
    with requests.Session() as session:
        page = session.get(url + "/send/", timeout=60)
        page = session.post(url + "/send/", data={"note": "by %d" % number, "csrfmiddlewaretoken": token(page)},
                            files={"paper": ("paper%d.bin" % number, data)}, timeout=60)
        assert page.status_code == 200 and "paper%d.bin" % number in page.text and hashlib.sha256(data).hexdigest() in page.text, page.text
        page = session.get(url + "/admin/", timeout=60)
        name, password = sites.ADMIN
        page = session.post(page.url, data={"username": name, "password": password, "csrfmiddlewaretoken": token(page)}, timeout=60)
        assert page.url == url + "/admin/" and "Site administration" in page.text
    return True


def test_many_visitors_at_once(site, request):
    before = site.get("/json/").json()["papers"]
    with concurrent.futures.ThreadPoolExecutor(VISITORS) as pool:
        assert all(pool.map(lambda number: visit(site.url, number), range(VISITORS)))
    assert site.get("/json/").json()["papers"] == before + VISITORS
    assert "Traceback" not in site.log


def test_no_connection_to_the_database_outlives_its_request(site, request):
    """CONN_MAX_AGE is 0; a connection that stayed would be one for each greenlet that ever was."""
    if "sqlite" in request.node.name:
        pids = site.worker_pids()
        wait_for(lambda: not [link for pid in pids for link in os.listdir("/proc/%d/fd" % pid) if "sqlite" in read(pid, link)], "closed files")
        return
    postgres = request.getfixturevalue("postgres")
    count = "select count(*) from pg_stat_activity where datname like 'site%'"
    wait_for(lambda: postgres.ask(count) == "0", lambda: postgres.ask(count) + " connections")


def read(pid, link):
    try:
        return os.readlink("/proc/%d/fd/%s" % (pid, link))
    except OSError:
        return ""
