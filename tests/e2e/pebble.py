"""An ACME directory and a DNS server of this run's own: Pebble, built once from the Go module proxy, in a module of its own."""
import fcntl
import functools
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import authority
from listening import free_port
from waiting import wait_for

VERSION = "v2.10.3"
MODULE = "github.com/letsencrypt/pebble/v2/cmd/"
CACHE = Path(__file__).resolve().parents[1] / ".cache"


@functools.lru_cache(maxsize=None)
def programs():
    """The folder with pebble and pebble-challtestsrv; None where they cannot be built, with the reason behind it."""
    folder = CACHE / ("pebble-" + VERSION)
    if not shutil.which("go"):
        return None, "no go here to build Pebble with"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the processes of a parallel run builds
        if not (folder / "pebble-challtestsrv").exists():
            with tempfile.TemporaryDirectory() as elsewhere:
                done = subprocess.run(["go", "install", *["%s%s@%s" % (MODULE, name, VERSION) for name in ("pebble", "pebble-challtestsrv")]],
                                      cwd=elsewhere, env=dict(os.environ, GOBIN=elsewhere), capture_output=True, text=True, timeout=900)
                if done.returncode:
                    return None, "Pebble cannot be built: " + done.stderr.strip()[-300:]
                for name in ("pebble", "pebble-challtestsrv"):
                    shutil.copy(Path(elsewhere) / name, folder / (name + ".new"))
                    os.rename(folder / (name + ".new"), folder / name)
    return folder, ""


class Directory:
    """One Pebble with its DNS: every name is 127.0.0.1. It asks at tls_port and http_port, which are the server's under test."""

    def __init__(self, folder, days=None, seconds=7776000, bad_nonces=5, port=None):
        self.folder, self.port, self.management = Path(folder), port or free_port(), free_port()
        self.tls_port, self.http_port, self.dns, self.dns_management = free_port(), free_port(), free_port(), free_port()
        self.seconds, self.bad_nonces, self.processes = seconds, bad_nonces, []

    @property
    def url(self):
        return "https://localhost:%d/dir" % self.port

    def begin(self):
        programs_in = programs()[0]
        cert, key = authority.issue("pebble-%d" % os.getpid(), "localhost")
        config = {"pebble": {
            "listenAddress": "127.0.0.1:%d" % self.port, "managementListenAddress": "127.0.0.1:%d" % self.management,
            "certificate": str(cert), "privateKey": str(key), "httpPort": self.http_port, "tlsPort": self.tls_port,
            "domainBlocklist": ["blocked.example"], "retryAfter": {"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "for tests", "validityPeriod": self.seconds}},
        }}
        path = self.folder / "pebble.json"
        path.write_text(json.dumps(config))
        self._start(programs_in / "pebble-challtestsrv", "-dnsserver", "127.0.0.1:%d" % self.dns, "-management", "127.0.0.1:%d" % self.dns_management, "-http01", "",
                    "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
        self._start(programs_in / "pebble", "-config", str(path), "-dnsserver", "127.0.0.1:%d" % self.dns)
        wait_for(self.answers, "Pebble", 20)
        return self

    def _start(self, program, *args):
        with open(self.folder / (program.name + ".log"), "ab") as log:
            env = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT=str(self.bad_nonces))
            self.processes.append(subprocess.Popen([str(program), *args], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env))

    def answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=5, context=authority.client_context()).read()
            return True
        except OSError:
            return False

    def root(self):
        """The root that its certificates come from, PEM."""
        url = "https://localhost:%d/roots/0" % self.management
        return urllib.request.urlopen(url, timeout=5, context=authority.client_context()).read().decode()

    def trust(self):
        made = ssl.create_default_context(cadata=self.root())
        made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        return made

    def forget(self, name):
        """Take a name out of DNS."""
        self._dns("set-default-ipv4", {"ip": ""})

    def _dns(self, what, body):
        urllib.request.urlopen("http://127.0.0.1:%d/%s" % (self.dns_management, what), data=json.dumps(body).encode(), timeout=5).read()

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def arguments(self, *names):
        """What the server under test needs, beside its storage."""
        given = ["--acme-agree", "--acme-email", "owner@example.org", "--acme-directory", self.url, "--acme-directory-ca", str(authority.ca_file())]
        for name in names:
            given += ["--acme-domain", name]
        return given
