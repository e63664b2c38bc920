"""HTTPS by gosrv itself: certificates, their reload, clients with certificates, resumption, and everything that is wrong."""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading

import pytest
import requests
import websocket

import authority
import harness
from masters import order
from waiting import wait_for
from wire import Closed, Wire

pytestmark = [
    pytest.mark.gosrv_only("how certificates are read and replaced is gosrv's own"),
    pytest.mark.plain_only("its servers speak TLS anyway, with certificates of their own"),
]

HELLO = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def context(ca=None, **settings):
    made = ssl.create_default_context(cafile=str(ca or authority.ca_file()))
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def connect(server, name="localhost", trust=None, session=None, before=b""):
    """A TLS connection as a Wire; before goes ahead of the handshake in clear text."""
    raw = socket.create_connection(server.address, timeout=20)
    raw.sendall(before)
    made = Wire.__new__(Wire)
    made.kept = b""
    made.sock = (trust or context()).wrap_socket(raw, server_hostname=name, session=session)
    return made


def shown(server, name="localhost", trust=None):
    """The serial number of the certificate that a new connection gets."""
    with connect(server, name, trust) as wire:
        return wire.sock.getpeercert()["serialNumber"]


def serial(path):
    out = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", str(path)], check=True, capture_output=True, text=True).stdout
    return out.strip().split("=")[1]


def files(pair):
    return ["--certfile", str(pair[0]), "--keyfile", str(pair[1])]


@pytest.fixture
def pair(tmp_path):
    """A certificate for localhost and its key, in files that the test may replace."""
    made = authority.issue("test-%d" % os.getpid(), "localhost", "127.0.0.1")
    return tuple(shutil.copy(source, tmp_path / name) for source, name in zip(made, ("cert.pem", "key.pem")))


def replace(pair):
    """Put another certificate and key in the place of these, one after the other; gives the new serial number."""
    made = authority.issue("next-%d" % os.getpid(), "localhost", "127.0.0.1")
    for source, target in zip(made, pair):
        shutil.copy(source, str(target) + ".new")
        os.rename(str(target) + ".new", target)
    return serial(pair[0])


def metrics_of(url):
    try:
        return requests.get(url + "/metrics", timeout=10).text
    except requests.ConnectionError:
        return None


def secure(start, pair, *args, app="wsgi_basic:app", **kw):
    return start(*files(pair), *args, app, ready=None, **kw)


class TestServing:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_request_and_the_next_one(self, start, pair, version):
        server = secure(start, pair, app="hello:app")
        with connect(server, trust=context(minimum_version=version, maximum_version=version)) as wire:
            assert [wire.get("/").status for _ in range(3)] == [200, 200, 200]

    def test_the_log_names_address_and_certificate(self, start, pair):
        server = secure(start, pair, app="hello:app")
        server.wait_log(r"Listening at: https://127\.0\.0\.1:\d+ ")
        server.wait_log(r"Certificate: \S+cert\.pem for localhost, 127\.0\.0\.1 \(ECDSA P-256\): \d+ days left, until \d{4}-\d\d-\d\d")

    def test_status_names_each_certificate_and_what_is_left_of_it(self, start, pair, tmp_path):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10, hours=1)
        cert, key = authority.issue("soon", "soon.example", not_after=soon)
        server = secure(start, pair, "--tls-certificates", "%s:%s" % (cert, key), "--metrics-bind", "127.0.0.1:0", "--pid", str(tmp_path / "pid"), app="hello:app")
        server.wait_log(r"The certificate \S+soon\.crt expires in 10 days")
        said = order("status", "--pid", str(tmp_path / "pid")).stdout
        assert re.search(r"certificate: localhost, 127\.0\.0\.1 \(ECDSA P-256, \S+cert\.pem\): \d+ days left, until ", said), said
        assert re.search(r"certificate: soon\.example \(ECDSA P-256, \S+soon\.crt\): 10 days left, until " + soon.strftime("%Y-%m-%d"), said), said
        all_known = json.loads(order("status", "--json", "--pid", str(tmp_path / "pid")).stdout)["certificates"]
        assert [c["names"] for c in all_known] == ["localhost, 127.0.0.1", "soon.example"] and 10 < all_known[1]["left_seconds"] / 86400 < 11
        metrics = server.wait_log(r"Metrics at: (\S+)")[0].group(1)
        answer = wait_for(lambda: metrics_of(metrics), "the monitor")
        left = re.search(r'^gosrv_certificate_left_seconds\{names="soon\.example",number="1"\} (\S+)$', answer, re.M)
        assert 10 < float(left.group(1)) / 86400 < 11, answer

    def test_curl_and_requests(self, start, pair):
        server = secure(start, pair, app="hello:app")
        url = "https://localhost:%d/" % server.port
        out = subprocess.run(["curl", "-sS", "--cacert", str(authority.ca_file()), "-w", "%{http_code}", "-o", os.devnull, url], capture_output=True, text=True, timeout=30)
        assert out.stdout == "200", out
        assert requests.get(url, verify=str(authority.ca_file()), timeout=30).status_code == 200

    def test_scheme_in_environ(self, start, pair):
        server = secure(start, pair, app="echo_environ:application")
        with connect(server) as wire:
            facts = json.loads(wire.get("/").body)
        assert facts["wsgi.url_scheme"]["value"] == "https" and facts["SERVER_PORT"]["value"] == str(server.port)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its rights up")
    def test_only_root_reads_the_key(self, start, pair):
        os.chown(pair[1], 0, 0)
        os.chmod(pair[1], 0o600)
        os.chmod(os.path.dirname(pair[1]), 0o700)
        server = secure(start, pair, "--user", "nobody", "--preload", app="hello:app")  # preloaded: nobody may be kept out of the tests' folder
        with connect(server) as wire:
            assert wire.get("/").status == 200
        assert shown(server) == serial(pair[0])

    def test_names_choose_certificates(self, start, pair, tmp_path):
        folder = tmp_path / "more"
        folder.mkdir()
        for name in ("a.example", "b.example"):
            cert, key = authority.issue(name, name)
            shutil.copy(cert, folder / (name + ".crt"))
            shutil.copy(key, folder / (name + ".key"))
        server = secure(start, pair, "--tls-certificates", str(folder), app="hello:app")
        for name in ("a.example", "b.example"):
            assert shown(server, name) == serial(folder / (name + ".crt"))
        loose = context(check_hostname=False)
        assert shown(server, "unknown.example", loose) == serial(pair[0])

    def test_oldest_version(self, start, pair):
        server = secure(start, pair, "--tls-min-version", "1.3", app="hello:app")
        with pytest.raises(ssl.SSLError):
            connect(server, trust=context(maximum_version=ssl.TLSVersion.TLSv1_2))
        with connect(server) as wire:
            assert wire.sock.version() == "TLSv1.3"

    def test_ciphers_in_openssls_words(self, start, pair):
        server = secure(start, pair, "--ciphers", "ECDHE+AESGCM:!AES128", app="hello:app")
        with connect(server, trust=context(maximum_version=ssl.TLSVersion.TLSv1_2)) as wire:
            assert wire.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"

    def test_proxy_header_comes_before_the_handshake(self, start, pair):
        server = secure(start, pair, "--proxy-protocol", "v1", "--access-logfile", "-", app="hello:app")
        with connect(server, before=b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n") as wire:
            assert wire.get("/").status == 200
        wait_for(lambda: "203.0.113.9" in server.out, "the client's address in the access log")


    def test_a_certificate_of_ones_own(self, start, tmp_path):
        env = {"XDG_CACHE_HOME": str(tmp_path)}
        server = start("--tls-self-signed", "hello:app", ready=None, env=env)
        made = tmp_path / "gosrv" / "self-signed.pem"
        print_of_it = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(made)], check=True, capture_output=True, text=True).stdout
        server.wait_log("is for development only; its SHA-256 fingerprint is " + print_of_it.strip().split("=")[1])
        with connect(server, trust=context(made)) as wire:
            assert wire.get("/").status == 200


class TestWrongWords:
    def test_plain_http_is_told_so(self, start, pair):
        server = secure(start, pair, app="hello:app")
        with socket.create_connection(server.address, timeout=20) as sock:
            sock.sendall(HELLO)
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 400 ") and b"This port speaks HTTPS" in answer
        server.wait_log("plain HTTP on a port that speaks HTTPS")

    def test_tls_on_a_plain_port_is_named_in_the_log(self, start):
        server = start("hello:app")
        with pytest.raises((ssl.SSLError, OSError)):
            connect(server)
        server.wait_log("the client speaks TLS, and this port plain HTTP")

    def test_a_client_that_does_not_trust_us_is_named(self, start, pair):
        server = secure(start, pair, app="hello:app")
        with pytest.raises(ssl.SSLError):
            connect(server, trust=ssl.create_default_context())
        server.wait_log("TLS handshake with 127.0.0.1 failed: the client (does not know the authority of|has broken the handshake off)")

    @pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["silence", "a-byte", "half-a-hello"])
    def test_half_a_hello_ends_by_the_header_time_out(self, start, pair, sent):
        server = secure(start, pair, "--header-timeout", "1", app="hello:app")
        with socket.create_connection(server.address, timeout=20) as sock:
            sock.sendall(sent)
            assert sock.recv(100) == b""

    def test_a_client_that_stops_in_the_handshake_holds_nobody_up(self, start, pair):
        server = secure(start, pair, "--header-timeout", "2", app="hello:app")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            half.do_handshake()
        hello = outgoing.read()
        stalled = [socket.create_connection(server.address, timeout=20) for _ in range(20)]
        for sock in stalled:
            sock.sendall(hello)
        with connect(server) as wire:
            assert wire.get("/").status == 200
        for sock in stalled:
            while sock.recv(65536):
                pass
            sock.close()

    def test_cut_bytes_and_garbage_after_the_handshake(self, start, pair):
        server = secure(start, pair, app="hello:app")
        wire = connect(server)
        raw = socket.socket(fileno=os.dup(wire.sock.fileno()))
        raw.sendall(struct.pack("!BHH", 23, 0x0303, 32) + b"x" * 32)
        assert raw.recv(1000) != b"HTTP"
        raw.close()
        wire.sock.close()
        with connect(server) as wire:
            assert wire.get("/").status == 200


class TestStart:
    """Every bad file has its sentence, and nothing is served."""

    @pytest.mark.parametrize("spoil, says", [
        (lambda cert, key: os.unlink(cert), r"certfile: \S+cert.pem: no such file or directory"),
        (lambda cert, key: os.unlink(key), r"keyfile: \S+key.pem: no such file or directory"),
        (lambda cert, key: open(cert, "w").close(), r"certfile: \S+: has no certificate"),
        (lambda cert, key: shutil.copy(authority.issue("other", "localhost")[1], key), r"keyfile: \S+: is not the key of the certificate in"),
        (lambda cert, key: subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", key + ".new"], check=True) and os.rename(key + ".new", key), r"keyfile: \S+: the key is encrypted"),
    ], ids=["no-certificate", "no-key", "empty", "another-key", "encrypted"])
    def test_bad_files_end_the_start(self, pair, spoil, says):
        spoil(*map(str, pair))
        for check in ([], ["--check-config"]):
            ended = harness.run_once("--bind", "127.0.0.1:0", *files(pair), *check, "hello:app")
            assert ended.returncode == 1, ended
            assert re.search(says, ended.stderr), ended.stderr
            assert "Traceback" not in ended.stderr and "goroutine" not in ended.stderr

    def test_expired_is_a_warning(self, start, tmp_path):
        made = authority.issue("expired", "localhost", not_after=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2))
        server = secure(start, made, app="hello:app")
        server.wait_log(r"The certificate \S+expired.crt has expired")

    def test_no_suite_is_left(self, pair):
        ended = harness.run_once("--bind", "127.0.0.1:0", *files(pair), "--ciphers", "DHE-RSA-AES256-GCM-SHA384", "hello:app")
        assert ended.returncode == 1 and "leaves none that gosrv has" in ended.stderr, ended.stderr


class Load:
    """Clients that ask all the time, each request on a connection that is kept for a few; counts what was not answered."""

    def __init__(self, server, clients=3, trust=None):
        self.server, self.lost, self.answered, self.trust = server, [], 0, trust or context()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while not self.over.is_set():
            try:
                with connect(self.server, trust=self.trust) as wire:
                    for _ in range(5):
                        answer = wire.get("/")
                        self.answered += 1
                        if answer.get("Connection") == "close":
                            break
            except (OSError, Closed) as failure:
                self.lost.append(failure)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        assert self.answered and not self.lost, self.lost[:3]


class TestReload:
    def test_new_files_are_used_for_new_connections(self, start, pair):
        server = secure(start, pair, "--workers", "2", app="hello:app")
        load = Load(server)
        kept = connect(server)
        was = shown(server)
        new = replace(pair)
        assert was != new
        wait_for(lambda: shown(server) == new, "the new certificate", 10)
        server.wait_log("The certificates have changed: new connections get the new ones")
        assert kept.get("/").status == 200
        kept.sock.close()
        load.stop()

    def test_hup_reads_them_too(self, start, pair):
        server = secure(start, pair, "--workers", "2", "--no-tls-watch", app="hello:app")
        load = Load(server)
        new = replace(pair)
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: shown(server) == new, "the new certificate", 20)
        load.stop()

    @pytest.mark.parametrize("how", ["watch", "hup"])
    def test_broken_files_change_nothing(self, start, pair, how):
        server = secure(start, pair, *([] if how == "watch" else ["--no-tls-watch"]), app="hello:app")
        was = shown(server)
        with open(pair[0], "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        if how == "hup":
            server.send_signal(signal.SIGHUP)
            server.wait_log("Reload failed")
        else:
            server.wait_log("The certificates have changed and cannot be used: certfile: ")
        assert shown(server) == was
        new = replace(pair)
        if how == "hup":
            server.send_signal(signal.SIGHUP)
        wait_for(lambda: shown(server) == new, "the mended certificate", 20)


class TestClients:
    """Certificates of clients."""

    @pytest.fixture
    def mine(self):
        return authority.issue("client", "client@example.org", signer="clients")

    @pytest.mark.parametrize("require", ["1", "2"])
    def test_shown_and_missing(self, start, pair, mine, require):
        server = secure(start, pair, "--cert-reqs", require, "--ca-certs", str(authority.ca_file("clients")), app="hello:app")
        trust = context()
        trust.load_cert_chain(*map(str, mine))
        with connect(server, trust=trust) as wire:
            assert wire.get("/").status == 200
        if require == "1":
            with connect(server) as wire:
                assert wire.get("/").status == 200
            return
        with pytest.raises(OSError):
            with connect(server) as wire:
                wire.get("/")
        server.wait_log("failed: the client has shown no certificate, and cert_reqs requires one")

    def test_foreign_one_is_refused(self, start, pair):
        server = secure(start, pair, "--cert-reqs", "1", "--ca-certs", str(authority.ca_file("clients")), app="hello:app")
        trust = context()
        trust.load_cert_chain(*map(str, authority.issue("stranger", "s@example.org", signer="strangers")))
        with pytest.raises(OSError):
            with connect(server, trust=trust) as wire:
                wire.get("/")
        server.wait_log(r"TLS handshake with 127.0.0.1 failed: .*unknown authority")


def resumed(server, count=20):
    """How many of so many new connections a session of TLS 1.3 or 1.2 was resumed on, by openssl's own word."""
    keep = str(server.dir / "session.pem")
    base = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.port, "-CAfile", str(authority.ca_file()), "-servername", "localhost"]
    first = subprocess.run(base + ["-sess_out", keep, "-ign_eof"], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=30)
    assert b"200 OK" in first.stdout, first

    def again():
        out = subprocess.run(base + ["-sess_in", keep, "-ign_eof"], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=30)
        return b"Reused, TLS" in out.stdout

    return lambda: sum(again() for _ in range(count))


class TestResumption:
    def test_with_any_worker_and_after_hup_and_usr2(self, start, pair):
        server = secure(start, pair, "--workers", "4", app="hello:app")
        ask = resumed(server)
        assert ask() == 20
        server.send_signal(signal.SIGHUP)
        server.wait_log("Generation 2 serves")
        assert ask() == 20

    def test_switched_off(self, start, pair):
        server = secure(start, pair, "--no-tls-session-tickets", app="hello:app")
        assert resumed(server, 3)() == 0


class TestContextHook:
    """ssl_context, Gunicorn's hook for whoever wants a context of his own."""

    CONF = """
import ssl
certfile, keyfile = %r, %r

def ssl_context(config, default_ssl_context_factory):
%s
"""

    def conf(self, tmp_path, pair, body):
        path = tmp_path / "conf.py"
        path.write_text(self.CONF % (str(pair[0]), str(pair[1]), "\n".join("    " + line for line in body)))
        return path

    def test_the_documented_one(self, start, pair, tmp_path):
        path = self.conf(tmp_path, pair, [
            "context = default_ssl_context_factory()", "context.minimum_version = ssl.TLSVersion.TLSv1_3", "return context"])
        server = start("-c", str(path), "hello:app", ready=None)
        with pytest.raises(ssl.SSLError):
            connect(server, trust=context(maximum_version=ssl.TLSVersion.TLSv1_2))
        with connect(server) as wire:
            assert wire.get("/").status == 200 and wire.sock.version() == "TLSv1.3"

    def test_one_of_ones_own(self, start, pair, tmp_path):
        path = self.conf(tmp_path, pair, [
            "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)", "context.load_cert_chain(config.certfile, config.keyfile)",
            "context.set_ciphers('ECDHE+AESGCM:!AES128')", "context.load_verify_locations(%r)" % str(authority.ca_file("clients")),
            "context.verify_mode = ssl.CERT_REQUIRED", "return context"])
        server = start("-c", str(path), "hello:app", ready=None)
        trust = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        trust.load_cert_chain(*map(str, authority.issue("client", "client@example.org", signer="clients")))
        with connect(server, trust=trust) as wire:
            assert wire.get("/").status == 200 and wire.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        with pytest.raises(OSError):
            with connect(server) as wire:
                wire.get("/")

    @pytest.mark.parametrize("line, says", [
        ("context.sni_callback = lambda *args: None", "ssl_context asks for what gosrv does not have: sni_callback"),
        ("raise ValueError('no certificate today')", "ValueError: no certificate today"),
        ("return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)", "a context without load_cert_chain"),
    ], ids=["sni-callback", "raises", "empty"])
    def test_what_cannot_be_taken_over_ends_the_start(self, pair, tmp_path, line, says):
        path = self.conf(tmp_path, pair, ["context = default_ssl_context_factory()", line, "return context"])
        ended = harness.run_once("--bind", "127.0.0.1:0", "-c", str(path), "hello:app")
        assert ended.returncode == 1 and says in ended.stderr, ended.stderr


class TestEnviron:
    """tls_environ: what mod_ssl says."""

    KEYS = ["HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_CERT"]
    FORGED = "".join("%s: forged\r\n" % name for name in ("SSL-CLIENT-VERIFY", "HTTPS", "SSL_CLIENT_S_DN"))

    def asked(self, wire, forged=""):
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % forged)
        facts = json.loads(wire.answer().body)
        return {key: facts[key]["value"] for key in self.KEYS if key in facts}

    @pytest.mark.parametrize("way", [(), ("--threads", "3"), ("--worker-class", "gevent"), ("--proxy-protocol", "v1")], ids=["sync", "threads", "gevent", "proxy"])
    def test_with_and_without_a_certificate(self, start, pair, way):
        before = b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 443\r\n" if "--proxy-protocol" in way else b""
        server = secure(start, pair, "--tls-environ", "--cert-reqs", "1", "--ca-certs", str(authority.ca_file("clients")), *way, app="echo_environ:application")
        with connect(server, before=before) as wire:
            for _ in range(3):
                said = self.asked(wire, self.FORGED)
                assert said == {"HTTPS": "on", "SSL_PROTOCOL": wire.sock.version(), "SSL_CIPHER": wire.sock.cipher()[0], "SSL_CLIENT_VERIFY": "NONE"}
        cert, key = authority.issue("client", "client@example.org", signer="clients")
        trust = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        trust.load_cert_chain(str(cert), str(key))

        def openssl(*what):
            out = subprocess.run(["openssl", "x509", "-noout", "-nameopt", "RFC2253", "-in", str(cert), *what], check=True, capture_output=True, text=True)
            return out.stdout.strip().split("=", 1)[1]

        with connect(server, trust=trust, before=before) as wire:
            for _ in range(3):
                said = self.asked(wire)
                assert said["SSL_PROTOCOL"] == "TLSv1.2" and said["SSL_CIPHER"] == wire.sock.cipher()[0] and said["SSL_CLIENT_VERIFY"] == "SUCCESS"
                assert said["SSL_CLIENT_S_DN"] == openssl("-subject") and said["SSL_CLIENT_I_DN"] == openssl("-issuer")
                assert said["SSL_CLIENT_M_SERIAL"].lstrip("0") == openssl("-serial").lstrip("0")
                assert ssl.PEM_cert_to_DER_cert(said["SSL_CLIENT_CERT"]) == ssl.PEM_cert_to_DER_cert(cert.read_text())

    def test_nothing_is_said_unless_it_is_asked_for(self, start, pair):
        server = secure(start, pair, app="echo_environ:application")
        with connect(server) as wire:
            assert self.asked(wire, self.FORGED) == {}

    def test_it_can_be_logged(self, start, pair, tmp_path):
        log = tmp_path / "access.log"
        server = secure(start, pair, "--tls-environ", "--access-log-format", "%({SSL_PROTOCOL}e)s %({HTTPS}e)s.", "--access-logfile", str(log), app="hello:app")
        with connect(server) as wire:
            assert wire.get("/").status == 200
        wait_for(lambda: log.exists() and log.read_text() == "TLSv1.3 on.\n", "the line of the access log")


@pytest.mark.parametrize("threads", ["1", "4"])
class TestSocket:
    """gunicorn.socket over TLS."""

    def test_what_it_says_of_the_session(self, start, pair, threads):
        server = secure(start, pair, "--cert-reqs", "1", "--ca-certs", str(authority.ca_file("clients")), "--threads", threads, app="tls_socket")
        trust = context()
        trust.load_cert_chain(*map(str, authority.issue("client", "client@example.org", signer="clients")))
        with connect(server, trust=trust) as wire:
            for _ in range(2):  # to look is not to take it over
                said = json.loads(wire.get("/").body)
            assert said["cipher"] == list(wire.sock.cipher()) and said["version"] == wire.sock.version() and said["alpn"] is None
            assert said["peer"] == list(wire.sock.getsockname()) and said["der"] > 100
            assert ["email", "client@example.org"] in said["cert"]["subjectAltName"]
        with connect(server) as wire:
            assert json.loads(wire.get("/").body)["cert"] is None

    def test_who_reads_from_it_gets_plain_text(self, start, pair, threads):
        server = secure(start, pair, "--threads", threads, app="tls_socket")
        with connect(server) as wire:
            wire.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\nbehind ")  # comes with the request
            assert wire.until(b"BEHIND ").endswith(b"hello ")
            for word in (b"more ", b"x" * 100000 + b" ", b"end."):
                wire.send(word)
                assert wire.exactly(len(word)) == word.upper()
            assert wire.closed()
        with connect(server) as wire:
            assert wire.get("/").status == 200

    def test_websockets(self, start, pair, threads):
        server = secure(start, pair, "--threads", threads, app="websockets")
        client = websocket.create_connection("wss://localhost:%d/echo" % server.port, sslopt={"ca_certs": str(authority.ca_file())}, timeout=20)
        for text in ("first", "x" * 200000, "last"):
            client.send(text)
            assert client.recv() == text
        client.close()
        with connect(server) as wire:
            assert wire.get("/").status == 200
