"""A Flask application, driven by a real client."""
import hashlib

import pytest
import requests

import harness

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module", params=["1", "3"], ids=["sync", "threads"])
def flask(start_shared, request):
    return start_shared("flaskapp:app", "-w", "2", "--threads", request.param, *harness.KEPT)


def test_a_page(flask):
    assert "<h1>Hello w\xf6rld</h1>" in flask.get("/?name=w%C3%B6rld").text


def test_json_both_ways(flask):
    sent = {"text": "caf\xe9", "numbers": list(range(1000))}
    got = requests.post(flask.url + "/json", json=sent, timeout=20).json()
    assert got["got"] == sent and got["length"] > 3000


def test_a_session_cookie(flask):
    with requests.Session() as session:
        assert [session.get(flask.url + "/visits").json()["visits"] for _ in range(3)] == [1, 2, 3]


def test_an_upload(flask):
    content = b"some bytes\0" * 200_000
    got = requests.post(flask.url + "/upload", files={"file": ("big.bin", content)}, timeout=20).json()
    assert got == {"name": "big.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_a_chunked_upload(flask):
    def pieces():
        yield b'{"text": '
        yield b'"in pieces"}'

    got = requests.post(flask.url + "/json", data=pieces(), headers={"Content-Type": "application/json"}, timeout=20).json()
    assert got["got"] == {"text": "in pieces"} and got["length"] is None


def test_a_stream(flask):
    assert flask.get("/stream").text.splitlines()[-1] == "line 99"


def test_errors(flask):
    assert flask.get("/teapot").status_code == 418
    assert flask.get("/nowhere").status_code == 404
    assert flask.get("/fails").status_code == 500
    flask.wait_log("RAISED-in-flask")
