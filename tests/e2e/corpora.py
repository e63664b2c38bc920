"""The three conformance sets of tests/http as one kind of case: bytes, settings, and what must come of them."""
import json
import re

import harness

DATA = harness.TESTS / "http"
ESCAPE = re.compile(r"\\(r|n|t|f|x[0-9a-fA-F]{2})")
SPAN = re.compile(r"span\[(\w+)\]=(.*)")
# The set shows these bytes as question marks; its descriptions say what was there.
LOST = {
    "MAL-NON-ASCII-URL": b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
    "MAL-URL-OVERLONG-UTF8": b"GET /\xc0\xaf HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
}
# Accepted by their set and refused here on purpose.
STRICTER = {
    "valid/009": "Transfer-Encoding: identity with Content-Length, as Gunicorn 27",
    "valid/027": "8-bit target, as Gunicorn 27",
    "valid/rfc9112_target_authority_ipv6_01": "CONNECT to an origin server",
    "CONNECT request with CAPS": "CONNECT to an origin server",
    "PRI request HTTP2": "the preface of HTTP/2 is no request",
    "SOURCE request with ICE": "only HTTP is spoken",
    "ANNOUNCE request with RTSP": "only HTTP is spoken",
    "No HTTP version": "HTTP/0.9",
}
# Refused by their set and accepted here on purpose.
LOOSER = {
    "HTTP protocol and ANNOUNCE method": "unknown methods are the application's business",
    "Invalid method": "unknown methods are the application's business",
    "No restart when keep-alive is off (1.0)": "what follows is never looked at",
    "CRLF between requests, explicit `close`": "what follows is never looked at",
}
LENIENT = {"permit_missing_host": True, "permit_fragment": True}


class Case:
    """`verdict` is accept, reject, or either; `requests` what the application must see, None where a set is silent.

    `unfinished`: the bytes end inside a message, so whatever is put behind them is a part of it.
    """

    def __init__(self, name, raw, verdict, settings, requests=None, unfinished=False):
        self.name = name
        self.raw = raw
        self.verdict = "reject" if name in STRICTER else "accept" if name in LOOSER else verdict
        self.settings = tuple(sorted(settings.items()))
        self.requests = requests
        self.unfinished = unfinished or truncated(raw)

    def __repr__(self):
        return self.name


def load(name):
    return json.loads((DATA / name).read_text())


def request(method, target, version, headers, body):
    return {"method": method, "target": target, "version": version, "headers": joined(headers), "body": body}


def truncated(raw):
    """Whether the last body is shorter than its Content-Length."""
    head, _, body = raw.rpartition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)\r?$", head, re.M)
    return bool(length) and int(length[1]) > len(body) and b"HTTP/1.1\r\n" in head


def joined(headers):
    """Header pairs as environ has them, repeated ones joined."""
    found = {}
    for name, value in headers:
        name = name.upper()
        key = ("" if name in ("CONTENT-TYPE", "CONTENT-LENGTH") else "HTTP_") + name.replace("-", "_")
        separator = "; " if key == "HTTP_COOKIE" else ","
        found[key] = found[key] + separator + value if key in found else value
    return found


def gunicorn_cases():
    for case in load("gunicorn_requests.json"):
        requests = [
            request(r["method"], r["uri"], "HTTP/%d.%d" % tuple(r["version"]), r["headers"], r["body"])
            for r in case.get("requests") or []
        ]
        settings = dict(LENIENT, **case["settings"])
        yield Case(case["name"], case["raw"].encode("latin-1"), "accept" if case["valid"] else "reject", settings, requests)


def probe_cases():
    for case in load("http11probe.json"):
        expected = case["expected"]
        accept = re.search(r"2xx|200|!101", expected)
        refuse = re.search(r"4\d\d|505|close\b.*timeout", expected)
        raw = LOST.get(case["id"], case["rawRequest"].encode("latin-1"))
        if len(raw) == 8192:  # cut there by the set; 100 KB by its description
            raw += raw[-1:] * (100 << 10) + b"\r\n\r\n"
        yield Case(case["id"], raw, "either" if accept and refuse else "accept" if accept else "reject", {})


def llhttp_cases():
    for case in load("llhttp_requests.json"):
        if "lenient" in case["meta"]["type"]:
            continue
        codes = re.findall(r"error code=(\d+)", case["log"])
        reject = any(code not in ("22", "23") for code in codes)  # these two are pauses
        requests, unfinished = from_log(case["log"])
        yield Case(case["title"], decode(case["http"]), "reject" if reject else "accept", LENIENT, requests, unfinished)


def decode(text):
    """llhttp's notation; see tests/http/README.md."""
    text = text.replace("\\\n", "").replace("\n", "\r\n")
    plain = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}
    return ESCAPE.sub(lambda m: plain.get(m[1]) or chr(int(m[1][1:], 16)), text).encode("latin-1")


def from_log(log):
    """The complete requests of a list of llhttp's events, and whether there is a further one that is not."""
    found, now = [], None
    for line in log.split("\n"):
        if "message begin" in line:
            now = {"method": "", "url": "", "version": "", "body": "", "headers": []}
            now["fields"] = now["headers"]
        elif now and "headers complete" in line:
            now["fields"] = []  # what follows are trailers
        elif now and "message complete" in line:
            found.append(request(now["method"], now["url"], "HTTP/" + now["version"], [(n, v.strip(" \t")) for n, v in now["headers"]], now["body"]))
            now = None
        elif now and SPAN.search(line):
            note(now, *SPAN.search(line).groups())
    return found, now is not None


def note(now, kind, text):
    text = {"cr": "\r", "lf": "\n"}.get(text) or text[1:-1]
    if kind == "header_field":
        now["fields"].append([text, ""])
    elif kind == "header_value":
        now["fields"][-1][1] += text
    elif kind in now:
        now[kind] += text


def cases():
    return [*gunicorn_cases(), *probe_cases(), *llhttp_cases()]
