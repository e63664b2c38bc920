"""An application that breaks the rules: a clean 500, one entry in the error log that names the fault, and the server lives on."""
import re
import sys

import pytest

import harness

sys.path.insert(0, str(harness.APPS))
import more_wrong_answers

pytestmark = pytest.mark.gosrv_only("Gunicorn answers some of these with 200, with nothing, or ends its worker")
# What the entry says, beside the request: case -> words.
USUAL = {
    "no_start_response": "did not call start_response", "returns_none": "NoneType|returned None", "str_item": "bytes", "str_body": "bytes", "int_item": "bytes",
    "status_without_number": "status", "status_not_str": "status", "status_with_newline": "status", "header_with_newline": "header's value",
    "header_name_with_space": "header's name", "header_not_latin1": "latin-1", "header_value_int": "header value", "header_bytes": "header name",
    "headers_not_list": "NoneType|headers", "start_twice": "already set",
}
PLACES = {"status": "status", "header": "header|latin-1|tuple", "length": "Content-Length", "lengths": "Content-Length", "body": "bytes|iter", "raise": "RAISED|SystemExit", "inside": "RAISED"}
NEW = re.compile(r"^\[\d{4}-[^]]*\] \[\d+\] \[(\w+)\]", re.M)


@pytest.fixture(scope="module", params=[(), ("--threads", "2")], ids=["sync", "threads"])
def more(start_shared, request):
    return start_shared("more_wrong_answers", *request.param, log_level="info")


@pytest.fixture(scope="module")
def usual(start_shared):
    return start_shared("wrong_answers", log_level="info")


def fault(server, case, words):
    """Ask for a case; the answer must be the plain 500 and the log have exactly one new entry."""
    before = len(server.log)
    with server.wire() as wire:
        answer = wire.get("/%s?query" % case)
        assert wire.closed() or answer.get("Connection") == "keep-alive"
    assert answer.status_line == "HTTP/1.1 500 Internal Server Error"
    assert b"Internal Server Error" in answer.body and b"RAISED" not in answer.body and case.encode() not in answer.body
    assert answer.get("X-Evil") is None and answer.get("X-A") is None
    harness.wait_for(lambda: NEW.search(server.log[before:]), "an entry in the error log")
    assert server.get("/").status_code == 200
    said = server.log[before:]
    assert NEW.findall(said) == ["ERROR"], said
    assert "Error handling request GET /%s?query" % case in said
    assert re.search(words, said), said


@pytest.mark.parametrize("case", sorted(USUAL))
def test_the_usual_ones(usual, case):
    fault(usual, case, USUAL[case])


@pytest.mark.parametrize("case", sorted(more_wrong_answers.CASES))
def test_more(more, case):
    fault(more, case, PLACES[case.split("_")[0]])


def test_one_worker_has_served_them_all(usual, more):
    for server in (usual, more):
        assert len(harness.BOOTING.findall(server.log)) == 1


@pytest.mark.parametrize("case, words", [("too_short", "shorter than its Content-Length"), ("too_long", "longer than its Content-Length")])
def test_a_body_of_another_length_is_said(usual, case, words):
    before = len(usual.log)
    with usual.wire() as wire:
        wire.send("GET /%s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % case)
        got = wire.rest()
    assert got.startswith(b"HTTP/1.1 200 OK") and got.endswith(b"\r\n\r\nfour")
    harness.wait_for(lambda: words in usual.log[before:], "the entry")
    assert NEW.findall(usual.log[before:]) == ["ERROR"]
