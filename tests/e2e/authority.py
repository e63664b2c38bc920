"""A certificate authority of this run's own, and what it has signed."""
import atexit
import functools
import shutil
import ssl
import tempfile
from pathlib import Path

import trustme


@functools.lru_cache(maxsize=None)
def folder():
    """Where the files lie until this process ends."""
    path = Path(tempfile.mkdtemp(prefix="gosrv-e2e-ca-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.lru_cache(maxsize=None)
def authority(name="server"):
    return trustme.CA(organization_name="Tests of gosrv", organization_unit_name=name)


def write(name, blobs, mode=0o600):
    """One file of several PEM texts."""
    path = folder() / name
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    path.chmod(mode)
    return path


@functools.lru_cache(maxsize=None)
def ca_file(name="server"):
    return write("ca-%s.pem" % name, [authority(name).cert_pem])


def issue(name, *hosts, signer="server", **kw):
    """Certificate and key files for these hosts."""
    made = authority(signer).issue_cert(*hosts, **kw)
    return write(name + ".crt", made.cert_chain_pems, 0o644), write(name + ".key", [made.private_key_pem])


@functools.lru_cache(maxsize=None)
def usual():
    """The pair that servers get under --transport tls."""
    return issue("usual", "127.0.0.1", "::1", "localhost")


@functools.lru_cache(maxsize=None)
def client_context():
    """What clients of such a server trust."""
    return ssl.create_default_context(cafile=str(ca_file()))
