"""Certificates from an ACME directory: ordered, renewed under load, and everything that may be wrong on the way."""
import http.server
import json
import os
import re
import signal
import socket
import ssl
import stat
import threading

import pytest
import requests

import authority
import harness
import pebble
from listening import free_port
from masters import Succession, order
from procs import children
from test_tls import Load, connect
from waiting import wait_for

pytestmark = [
    pytest.mark.gosrv_only("Gunicorn orders no certificates"),
    pytest.mark.plain_only("its servers speak TLS anyway, with certificates of their own"),
]

NAME = "shop.example.test"


@pytest.fixture
def directory(tmp_path):
    """Makes directories, which end with the test."""
    folder, why_not = pebble.programs()
    if not folder:
        if os.environ.get("CI"):
            pytest.fail(why_not)
        pytest.skip(why_not)
    made = []

    def make(begin=True, **kw):
        place = tmp_path / ("directory-%d" % len(made))
        place.mkdir()
        made.append(pebble.Directory(place, **kw))
        return made[-1].begin() if begin else made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def serve(start, tmp_path):
    def begin(directory, *args, names=(NAME,), app="hello:app", port=None, **kw):
        return start(*directory.arguments(*names), "--acme-storage", str(tmp_path / "acme"), *args, app,
                     bind="127.0.0.1:%d" % (port or directory.tls_port), ready=None, **kw)

    return begin


def loose():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def der(server, name=NAME):
    with connect(server, name, loose()) as wire:
        return wire.sock.getpeercert(True)


def trusted(server, directory, name=NAME):
    """Whether a client that trusts the directory is served under that name."""
    try:
        with connect(server, name, directory.trust()) as wire:
            return wire.get("/").status == 200
    except ssl.SSLError:
        return False


class TestIssue:
    @pytest.mark.parametrize("nonces", [0, 50], ids=["calm", "bad-nonces"])
    def test_each_name_gets_its_own(self, serve, directory, tmp_path, nonces):
        there = directory(bad_nonces=nonces)
        names = (NAME, "www.example.test")
        server = serve(there, "--workers", "2", "--pid", str(tmp_path / "pid"), names=names)
        for name in names:
            wait_for(lambda: trusted(server, there, name), "the certificate of " + name, 60)
        server.wait_log(r"ACME: There is no certificate for %s yet; it is being ordered from " % NAME)
        server.wait_log(r"Certificate: self-signed for %s \(ECDSA P-256\), until the ordered one is there" % NAME)
        said = order("status", "--pid", str(tmp_path / "pid")).stdout
        assert re.search(r"certificate: %s \(ECDSA P-256, \S+%s\.pem\): 89 days left" % (NAME, NAME), said), said
        for path in [tmp_path / "acme", *(tmp_path / "acme").rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path

    def test_until_then_the_server_is_there(self, serve, directory):
        server = serve(directory(begin=False))
        with connect(server, NAME, loose()) as wire:
            assert wire.get("/").status == 200
        server.wait_log(r"ACME: No certificate for %s: .*The directory cannot be reached from here: .*Next try in \d+s" % NAME, timeout=60)

    def test_the_next_start_orders_nothing(self, serve, directory):
        there = directory()
        server = serve(there)
        wait_for(lambda: trusted(server, there), "the certificate", 60)
        first = der(server)
        server.stop()
        there.end()
        server = serve(there)
        assert der(server) == first and "is being ordered" not in server.log

    def test_by_plain_http_and_others_are_sent_on(self, serve, directory):
        there = directory()
        # nobody listens where the directory asks by TLS
        server = serve(there, "--acme-http-bind", "127.0.0.1:%d" % there.http_port, port=free_port())
        url = "http://127.0.0.1:%d" % there.http_port

        def ask(path, host=NAME):
            return requests.get(url + path, headers={"Host": host}, allow_redirects=False, timeout=10)

        server.wait_log("Plain HTTP for ACME, and on to https, at: " + url)
        answer = wait_for(lambda: reached(ask, "/a%20b?c=d"), "an answer on plain HTTP")
        assert answer.status_code == 308 and answer.headers["Location"] == "https://%s/a%%20b?c=d" % NAME
        assert ask("/", "evil.example").status_code == 421
        assert ask("/.well-known/acme-challenge/unknown").status_code == 308
        wait_for(lambda: trusted(server, there), "the certificate, by the second try at the latest", 120)

    def test_a_name_of_two_servers_is_ordered_once(self, serve, directory):
        """One storage, one lock; the directory asks the first server whatever the one that orders is."""
        there = directory()
        first = serve(there)
        second = serve(there, port=free_port())
        for server in (first, second):
            wait_for(lambda: trusted(server, there), "the certificate", 90)
        assert der(first) == der(second)
        issued = (there.folder / "pebble.log").read_text().count("Issued certificate serial")
        assert issued == 1

    def test_the_process_is_started_again(self, serve, directory):
        there = directory(begin=False)
        server = serve(there)
        server.wait_log("ACME: There is no certificate for")
        [issuer] = [child.pid for child in children(server.pid) if open("/proc/%d/cmdline" % child.pid, "rb").read().startswith(b"gosrv: acme")]
        os.kill(issuer, signal.SIGKILL)
        server.wait_log(r"The process that gets certificates \(pid:%d\) .*; it is started again" % issuer)
        there.begin()
        wait_for(lambda: trusted(server, there), "the certificate", 90)

    def test_only_the_directory_gets_the_answer(self, serve, directory):
        """acme-tls/1 with no challenge under way, and beside other protocols."""
        there = directory()
        server = serve(there)
        wait_for(lambda: trusted(server, there), "the certificate", 60)
        trust = loose()
        trust.set_alpn_protocols(["acme-tls/1"])
        with pytest.raises(OSError):
            with connect(server, NAME, trust) as wire:
                wire.get("/")
        server.wait_log('somebody asks by ACME for "%s", and no certificate is being ordered' % NAME)
        trust.set_alpn_protocols(["http/1.1", "acme-tls/1"])
        with connect(server, NAME, trust) as wire:
            assert wire.get("/").status == 200


def reached(ask, *args):
    try:
        return ask(*args)
    except requests.ConnectionError:
        return None


class TestRenewal:
    def test_under_load_nothing_is_lost(self, serve, directory):
        there = directory(seconds=24)
        server = serve(there, "--workers", "2")
        wait_for(lambda: trusted(server, there), "the certificate", 60)
        load = Load(server, trust=loose())
        seen = set()

        def renewed():
            assert trusted(server, there), server.log  # never one that is over
            seen.add(der(server))
            return len(seen) >= 4

        wait_for(renewed, "three renewals", 90)
        load.stop()

    def test_after_reload_and_upgrade_it_goes_on(self, serve, directory, tmp_path):
        there = directory(seconds=40)
        server = serve(there, "--acme-http-bind", "127.0.0.1:%d" % there.http_port, "--pid", str(tmp_path / "pid"))
        wait_for(lambda: trusted(server, there), "the certificate", 60)
        server.send_signal(signal.SIGHUP)
        server.wait_log("Generation 2 serves")
        done = order("upgrade", "--pid", str(tmp_path / "pid"))
        assert done.returncode == 0, done
        was = der(server)
        wait_for(lambda: der(server) != was and trusted(server, there), "a renewal by the new master", 90)
        assert requests.get("http://127.0.0.1:%d/" % there.http_port, headers={"Host": NAME}, allow_redirects=False, timeout=10).status_code == 308
        masters = Succession(server, tmp_path / "pid")
        masters.pid = masters.recorded()
        masters.stop()

    def test_a_directory_that_is_down_leaves_the_old_one(self, serve, directory):
        there = directory(seconds=30)
        server = serve(there)
        wait_for(lambda: trusted(server, there), "the certificate", 60)
        trust = there.trust()
        there.end()
        server.wait_log(r"ACME: No certificate for %s: .*The directory cannot be reached from here" % NAME, timeout=60)
        server.wait_log("ACME: The certificate for %s is served on, until " % NAME)
        server.wait_log(r"The certificate \S+%s\.pem expires within a day .*it should have been renewed by now" % NAME, timeout=60)
        with connect(server, NAME, loose()) as wire:
            assert wire.get("/").status == 200
        assert trust  # the root was asked for before the directory went

    def test_a_name_that_leads_elsewhere(self, serve, directory):
        """Somebody else answers at the port, as where DNS names another machine."""
        there = directory()
        elsewhere = socket.create_server(("127.0.0.1", there.tls_port))
        closing = threading.Event()

        def refuse():
            elsewhere.settimeout(0.2)
            while not closing.is_set():
                try:
                    elsewhere.accept()[0].close()
                except TimeoutError:
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            server = serve(there, port=free_port())
            server.wait_log(r"ACME: No certificate for %s: .*(did not get through to this server|Another server answers).*Next try in" % NAME, timeout=120)
            with connect(server, NAME, loose()) as wire:
                assert wire.get("/").status == 200
        finally:
            closing.set()
            thread.join()
            elsewhere.close()

    def test_a_name_that_is_refused(self, serve, directory):
        server = serve(directory(), names=("blocked.example",))
        server.wait_log(r"ACME: No certificate for blocked\.example: .*rejectedIdentifier.*issues nothing for blocked\.example", timeout=60)


class Limited(http.server.BaseHTTPRequestHandler):
    """A directory that takes no orders: its limit is reached. It checks no signatures."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Replay-Nonce", "nonce%d" % id(body))
        self.send_header("Content-Type", "application/problem+json" if status > 399 else "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        at = "https://localhost:%d/" % self.server.server_port
        if self.path == "/dir":
            self.answer(200, {"newNonce": at + "nonce", "newAccount": at + "account", "newOrder": at + "order"})
        elif self.path == "/account":
            self.answer(201, {"status": "valid"}, Location=at + "account/1")
        elif self.path == "/order":
            self.server.orders += 1
            self.answer(429, {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates already issued"}, Retry_After="3600")
        else:
            self.answer(200, {})

    do_HEAD = do_POST = do_GET

    def log_message(self, *args):
        pass


def test_a_limit_that_is_reached(start, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Limited) as limited:
        limited.orders = 0
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(*map(str, authority.issue("limited-%d" % os.getpid(), "localhost")))
        limited.socket = secure.wrap_socket(limited.socket, server_side=True)
        thread = threading.Thread(target=limited.serve_forever)
        thread.start()
        try:
            server = start("--acme-agree", "--acme-domain", NAME, "--acme-directory", "https://localhost:%d/dir" % limited.server_port, "--acme-directory-ca",
                           str(authority.ca_file()), "--acme-storage", str(tmp_path / "acme"), "hello:app", ready=None)
            server.wait_log(r"ACME: No certificate for %s: too many certificates already issued \(rateLimited\)\. The directory's limit is reached; "
                            r"it is asked less often now.*Next try in 1h" % NAME, timeout=60)
            assert limited.orders <= 3
        finally:
            limited.shutdown()
            thread.join()


class TestStart:
    """What cannot be meant ends the start, by a sentence."""

    @pytest.mark.parametrize("args, says", [
        (["--acme-domain", NAME], "nobody has agreed to the terms of letsencrypt: read them .*then set acme_agree"),
        (["--acme-domain", "*.example.org", "--acme-agree"], r"needs a challenge by DNS, which gosrv does not do"),
        (["--acme-domain", "https://example.org", "--acme-agree"], "Not a name that a certificate can be ordered for"),
        (["--acme-domain", "localhost", "--acme-agree"], "Not a name that a certificate can be ordered for"),
        (["--acme-domain", NAME, "--acme-agree", "--acme-directory", "http://x/dir"], "acme_directory is no address of a directory"),
        (["--acme-domain", NAME, "--acme-agree", "--acme-http-bind", "127.0.0.1"], "acme_http_bind names no port"),
    ], ids=["terms", "star", "url", "localhost", "directory", "port"])
    def test_settings(self, args, says):
        ended = harness.run_once("--bind", "127.0.0.1:0", *args, "hello:app")
        assert ended.returncode == 1 and re.search(says, ended.stderr), ended.stderr
        assert "Traceback" not in ended.stderr and "goroutine" not in ended.stderr

    def test_a_storage_that_others_can_read(self, tmp_path):
        (tmp_path / "acme").mkdir(mode=0o755)
        os.chmod(tmp_path / "acme", 0o755)
        ended = harness.run_once("--bind", "127.0.0.1:0", "--acme-domain", NAME, "--acme-agree", "--acme-storage", str(tmp_path / "acme"), "hello:app")
        assert ended.returncode == 1 and re.search(r"acme_storage: \S+ holds private keys, and others may look into it \(mode 0755\): chmod 700 ", ended.stderr), ended.stderr

    def test_the_port_for_plain_http_is_taken(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ended = harness.run_once("--bind", "127.0.0.1:0", "--acme-domain", NAME, "--acme-agree", "--acme-storage", str(tmp_path / "acme"),
                                     "--acme-http-bind", "127.0.0.1:%d" % taken.getsockname()[1], "hello:app")
        assert ended.returncode == 1 and "Hint: another process listens on port" in ended.stderr and "No certificates" not in ended.stderr, ended.stderr

