"""What others say of our TLS: sslyze's scan, and the core scripts of tlsfuzzer beside a plain server of Go's. `make tools`.

tlsfuzzer is in no registry: its sources are looked for in $TLSFUZZER and tests/.cache/tlsfuzzer, and cloned if there is a network.
Its scripts expect the alerts of other libraries in places; what is asked for here is that no script finds more in gosrv, which drives
crypto/tls from its own loop, than in crypto/tls itself."""
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from listening import free_port
from waiting import wait_for

pytestmark = [
    pytest.mark.tools, pytest.mark.gosrv_only("what is scanned is gosrv"),
    pytest.mark.plain_only("its servers speak TLS anyway, with certificates of their own"),
]
CACHE = Path(__file__).resolve().parents[1] / ".cache"
PACKAGES = ["sslyze==6.3.1", "tlslite-ng==0.9.0b2"]  # in a venv of their own: sslyze wants an older cryptography than other tools
TLSFUZZER = "https://github.com/tlsfuzzer/tlsfuzzer"

PLAIN_SERVER = """
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	log.SetOutput(io.Discard)
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello\\n") })
	s := http.Server{Addr: os.Args[1], Handler: hello, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(s.ListenAndServeTLS(os.Args[2], os.Args[3]))
}
"""


@functools.lru_cache(maxsize=None)
def python():
    """An interpreter with PACKAGES."""
    name = "tls-checks-%d.%d-%s" % (*sys.version_info[:2], hashlib.sha256(repr(PACKAGES).encode()).hexdigest()[:10])
    path = CACHE / name / "bin" / "python"
    done = CACHE / name / "complete"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE / name)], check=True)
        made = subprocess.run([str(path), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], capture_output=True, text=True)
        if made.returncode:
            pytest.skip("these cannot be installed here: " + made.stderr.strip()[-200:])
        done.touch()
    return path


@functools.lru_cache(maxsize=None)
def tlsfuzzer():
    for folder in (os.environ.get("TLSFUZZER"), CACHE / "tlsfuzzer"):
        if folder and (Path(folder) / "scripts").is_dir():
            return Path(folder)
    done = subprocess.run(["git", "clone", "--quiet", "--depth", "1", TLSFUZZER, str(CACHE / "tlsfuzzer")], capture_output=True, text=True,
                          env=dict(os.environ, GIT_TERMINAL_PROMPT="0"), timeout=120)
    if done.returncode:
        pytest.skip("no tlsfuzzer in $TLSFUZZER, and it cannot be cloned: " + done.stderr.strip()[-200:])
    return CACHE / "tlsfuzzer"


@pytest.fixture(scope="module")
def rsa(tmp_path_factory):
    """An RSA certificate: the scripts for TLS 1.2 know no other by themselves."""
    folder = tmp_path_factory.mktemp("rsa")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def ours(start_shared, rsa):
    return start_shared("--certfile", str(rsa[0]), "--keyfile", str(rsa[1]), "--workers", "2", "hello:app", ready=None)


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def plain(rsa, tmp_path_factory):
    """The port of a server that is net/http and crypto/tls alone."""
    if not shutil.which("go"):
        pytest.skip("no go here to build a plain server with")
    folder = tmp_path_factory.mktemp("plain")
    (folder / "go.mod").write_text("module plain\n\ngo 1.26.0\n")
    (folder / "main.go").write_text(PLAIN_SERVER)
    subprocess.run(["go", "build", "-o", "plain", "."], cwd=folder, check=True)
    port = free_port()
    process = subprocess.Popen([str(folder / "plain"), "127.0.0.1:%d" % port, *map(str, rsa)])
    wait_for(lambda: reachable(port), "the plain server")
    yield port
    process.kill()
    process.wait()


# Not resumption: its old OpenSSL is not resumed by any server of Go's. test_tls.py has that with openssl's own client.
SCANS = ["sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "compression", "heartbleed", "openssl_ccs", "robot", "fallback", "reneg", "early_data", "elliptic_curves", "ems"]


def test_a_scan_finds_nothing(ours, tmp_path):
    out = tmp_path / "scan.json"
    done = subprocess.run([str(python()), "-m", "sslyze", "--json_out", str(out), "--mozilla_config", "disable", *["--" + what for what in SCANS], "127.0.0.1:%d" % ours.port],
                          capture_output=True, text=True, timeout=500)
    assert out.exists(), done
    [scan] = json.loads(out.read_text())["server_scan_results"]
    assert scan["scan_status"] == "COMPLETED", scan
    found = {name: part["result"] for name, part in scan["scan_result"].items() if part["status"] == "COMPLETED"}
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert not found[old + "_cipher_suites"]["accepted_cipher_suites"], old
    suites = [s["cipher_suite"]["name"] for version in ("tls_1_2", "tls_1_3") for s in found[version + "_cipher_suites"]["accepted_cipher_suites"]]
    assert len(suites) >= 6 and not [s for s in suites if re.search("NULL|EXPORT|anon|RC4|DES|MD5|TLS_RSA_", s)], suites
    assert not found["tls_compression"]["supports_compression"]
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert "NOT_VULNERABLE" in found["robot"]["robot_result"]
    assert found["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert found["session_renegotiation"]["supports_secure_renegotiation"]
    assert not found["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert not found["tls_1_3_early_data"]["supports_early_data"]
    assert found["tls_extended_master_secret"]["supports_ems_extension"]
    assert {"X25519", "secp256r1"} <= {curve["name"] for curve in found["elliptic_curves"]["supported_curves"]}


# With the arguments that each needs.
SCRIPTS = [
    ("test-conversation", "-d"), ("test-ccs", "-d"), ("test-fallback-scsv", "-d"), ("test-renegotiation-disabled", "-d"), ("test-legacy-renegotiation", "-d"),
    ("test-record-layer-fragmentation", "-d"), ("test-tls13-conversation",), ("test-tls13-ccs",), ("test-tls13-multiple-ccs-messages",), ("test-tls13-keyupdate",),
    ("test-tls13-finished",), ("test-tls13-hrr",), ("test-tls13-session-resumption",), ("test-tls13-zero-length-data",), ("test-tls13-zero-content-type",),
    ("test-tls13-empty-alert",), ("test-tls13-unencrypted-alert",), ("test-tls13-record-padding",), ("test-tls13-nociphers",),
]


def failed(port, script, args):
    """Names of the cases that a script has something to say about."""
    done = subprocess.run([str(python()), "scripts/%s.py" % script, *args, "-h", "localhost", "-p", str(port)], cwd=tlsfuzzer(), env=dict(os.environ, PYTHONPATH="."),
                          capture_output=True, text=True, timeout=500)
    assert re.search(r"^TOTAL: [1-9]", done.stdout, re.M), done.stdout[-500:] + done.stderr[-500:]
    listed = done.stdout.partition("\nFAILED:\n")[2]
    return set(re.findall(r"^\t['\"](.+)['\"]$", listed, re.M))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script[0])
def test_no_script_finds_more_than_in_plain_go(ours, plain, script):
    name, *args = script
    bad = failed(ours.port, name, args)
    if bad:  # cases are taken by chance: the same ones
        assert bad == failed(plain, name, args + sorted(bad))
