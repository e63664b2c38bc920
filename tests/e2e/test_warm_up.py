"""--warm-up: the application is asked for pages before it serves, once where it is preloaded."""
import json
import textwrap

import pytest

from waiting import wait_for

pytestmark = pytest.mark.gosrv_only("Gunicorn asks for nothing by itself")

APP = """
    import json
    import os

    asked = []

    def plain(environ):
        return {key: value for key, value in environ.items() if isinstance(value, (str, bool, int))}

    class Answer(list):
        def close(self):
            asked[-1]["closed"] = True

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/asked":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(asked).encode()]
        if environ.get("HTTP_USER_AGENT") != "gosrv warm-up":  # one of the harness's
            start_response("200 OK", [])
            return []
        asked.append(dict(plain(environ), pid=os.getpid(), body=environ["wsgi.input"].read().decode()))
        if path == "/raises":
            raise ValueError("not warm yet")
        start_response({"/missing": "404 Not Found"}.get(path, "200 OK"), [])
        return Answer([b"x"])
"""


@pytest.fixture
def serve(start, tmp_path):
    (tmp_path / "pages.py").write_text(textwrap.dedent(APP))
    return lambda *args: start("pages:app", *args, cwd=tmp_path)


def asked(server):
    return json.loads(server.get("/asked").text)


def test_a_preloaded_application_is_asked_once_for_all_workers(serve):
    server = serve("--preload", "-w", "2", "--warm-up", "/a%20page?q=1", "--warm-up", "https://shop.test:8443/")
    first, second = asked(server)
    assert first["pid"] not in server.worker_pids() and second["pid"] == first["pid"]
    assert (first["PATH_INFO"], first["QUERY_STRING"], first["HTTP_HOST"], first["wsgi.url_scheme"]) == ("/a page", "q=1", "localhost", "http")
    assert (second["PATH_INFO"], second["HTTP_HOST"], second["SERVER_PORT"], second["wsgi.url_scheme"]) == ("/", "shop.test:8443", "8443", "https")
    assert first["REQUEST_METHOD"] == "GET" and first["body"] == "" and first["closed"] and first["wsgi.multiprocess"]


def test_without_preload_each_worker_is_asked(serve):
    server = serve("--warm-up", "/")
    assert [one["pid"] for one in asked(server)] == server.worker_pids()


@pytest.mark.parametrize("args", [(), ("--preload",)], ids=["plain", "preload"])
def test_a_page_that_fails_is_logged_and_stops_nothing(serve, args):
    server = serve(*args, "--warm-up", "/raises", "--warm-up", "/missing", "--warm-up", "/")
    assert [one["PATH_INFO"] for one in asked(server)] == ["/raises", "/missing", "/"]
    wait_for(lambda: "the application answers 404 Not Found" in server.log, lambda: server.log)
    assert "Warm-up of /raises failed" in server.log and "ValueError: not warm yet" in server.log


def test_from_a_config_file(serve, tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text('warm_up = ["/one", "/two"]\n')
    assert [one["PATH_INFO"] for one in asked(serve())] == ["/one", "/two"]
