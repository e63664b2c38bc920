"""HTTPS over every kind of socket and beside the settings that change how workers come about; clients whose certificates are over or taken back."""
import datetime
import os
import signal
import socket
import ssl
import subprocess

import pytest

import authority
from test_tls import connect, context, files, pair, secure, shown
from waiting import wait_for
from wire import Wire

pytestmark = [
    pytest.mark.gosrv_only("how certificates are read and replaced is gosrv's own"),
    pytest.mark.plain_only("its servers speak TLS anyway, with certificates of their own"),
]
assert pair  # a fixture


def over(raw):
    made = Wire.__new__(Wire)
    made.kept = b""
    made.sock = context().wrap_socket(raw, server_hostname="localhost")
    return made


@pytest.mark.parametrize("bind", ["unix:DIR/s", "unix:\\0gosrv-tls-%d"], ids=["path", "abstract"])
def test_unix_sockets(start, pair, bind):
    name = bind.replace("%d", str(os.getpid()))
    server = start(*files(pair), "hello:app", bind=name, ready=None)
    address = str(server.dir / "s") if "DIR" in name else "\0" + name.partition("\\0")[2]
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(20)
    raw.connect(address)
    with over(raw) as wire:
        assert wire.get("/").status == 200 and wire.get("/").status == 200


@pytest.mark.parametrize("args", [
    ("--reuse-port", "--workers", "2"), ("--preload", "--workers", "2"), ("--refork-after", "5", "--preload", "--workers", "2"),
    ("--worker-class", "gevent"), ("--worker-class", "eventlet"), ("--stream-request-body",), ("--threads", "4"), ("--max-requests", "5", "--workers", "2"),
], ids=lambda args: args[0].strip("-") + args[1].strip("-") if len(args) > 1 else args[0].strip("-"))
def test_ways_of_serving(start, pair, args):
    server = secure(start, pair, *args, app="hello:app")
    first = shown(server)
    for _ in range(30):
        with connect(server) as wire:
            assert wire.get("/").status == 200
    server.send_signal(signal.SIGHUP)
    server.wait_log("Generation 2 serves")
    for _ in range(10):
        assert shown(server) == first


def test_an_inherited_socket(start, pair):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = start(*files(pair), "hello:app", bind="fd://%d" % listener.fileno(), fds=(listener.fileno(),), ready=None)
        with connect(server) as wire:
            assert wire.get("/").status == 200


def refused(server, trust):
    with pytest.raises(OSError):
        with connect(server, trust=trust) as wire:
            wire.get("/")


def test_a_certificate_that_is_over(start, pair):
    server = secure(start, pair, "--cert-reqs", "2", "--ca-certs", str(authority.ca_file("clients")), app="hello:app")
    ended = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
    trust = context()
    trust.load_cert_chain(*map(str, authority.issue("over", "over@example.org", signer="clients", not_after=ended)))
    refused(server, trust)
    server.wait_log(r"TLS handshake with 127\.0\.0\.1 failed: .*expired")


class Signer:
    """An authority of openssl's, which can take certificates back."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("1000\n")
        (folder / "ca.cnf").write_text("""
[ca]
default_ca = here
[here]
dir = %s
database = $dir/index.txt
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = 10
default_crl_days = 10
policy = any
[any]
commonName = supplied
""" % folder)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10", "-subj", "/CN=signer", "-keyout", "ca.key", "-out", "ca.pem")

    def run(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name):
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        self.run("ca", "-batch", "-config", "ca.cnf", "-in", name + ".csr", "-out", name + ".pem", "-notext")
        trust = context()
        trust.load_cert_chain(str(self.folder / (name + ".pem")), str(self.folder / (name + ".key")))
        return trust

    def revoke(self, name):
        self.run("ca", "-config", "ca.cnf", "-revoke", name + ".pem")

    def publish(self):
        """ca_certs: the authority and its list."""
        self.run("ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem")
        (self.folder / "new").write_text((self.folder / "ca.pem").read_text() + (self.folder / "crl.pem").read_text())
        (self.folder / "new").rename(self.folder / "clients.pem")
        return self.folder / "clients.pem"


def test_a_certificate_that_was_taken_back(start, pair, tmp_path):
    """The list is obeyed when the file changes, and no session from before it is resumed."""
    (tmp_path / "signer").mkdir()
    signer = Signer(tmp_path / "signer")
    good, bad = signer.issue("good"), signer.issue("bad")
    server = secure(start, pair, "--cert-reqs", "2", "--ca-certs", str(signer.publish()), app="hello:app")
    with connect(server, trust=bad) as wire:
        assert wire.get("/").status == 200
        session = wire.sock.session
    signer.revoke("bad")
    signer.publish()
    server.wait_log("The certificates have changed")

    def is_refused():
        try:
            with connect(server, trust=bad, session=session) as wire:
                return wire.get("/").status != 200
        except OSError:
            return True

    wait_for(is_refused, "the refusal of the certificate")
    server.wait_log(r"TLS handshake with 127\.0\.0\.1 failed: .*revoked")
    with connect(server, trust=good) as wire:
        assert wire.get("/").status == 200


def test_tls_1_3_only(start, pair):
    server = secure(start, pair, "--tls-min-version", "1.3", app="hello:app")
    with pytest.raises(ssl.SSLError):
        connect(server, trust=context(maximum_version=ssl.TLSVersion.TLSv1_2))
    with connect(server) as wire:
        assert wire.get("/").status == 200
