"""The ssl_context hook: what the context that it returns would do, as plain data.

gosrv does not speak TLS by Python's ssl module, and the module must not be imported here: gevent patches it before it
is. So the hook is called in a child, which ends with the answer.
"""

import json
import os
import sys
import traceback

# Methods of ssl.SSLContext whose arguments cannot be read back from it.
RECORDED = ("load_cert_chain", "load_default_certs", "load_dh_params", "load_verify_locations", "set_alpn_protocols",
            "set_ecdh_curve", "set_psk_server_callback")
# What has no counterpart. Curves and DH parameters are better left to the server: they are ignored.
FOREIGN = {
    "sni_callback": "sni_callback: name the certificates in tls_certificates, which are chosen by the client's name",
    "keylog_filename": "keylog_filename",
    "set_psk_server_callback": "set_psk_server_callback",
}
WITH_PASSWORD = "load_cert_chain with a password: store the key without one, readable by its owner only"
NO_CHAIN = "a context without load_cert_chain"


def of_hook(hook, cfg):
    """What the hook's context holds, or {"error": text} for a hook that raises or asks for what is not there."""
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        answer_and_end(into, hook, cfg)
    os.close(into)
    with open(out, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else {"error": "The hook ssl_context has ended its process"}


def answer_and_end(into, hook, cfg):
    """The child's life."""
    try:
        answer = plain(hook, cfg)
    except BaseException:  # noqa: BLE001 - the hook is the user's: what it raises becomes the answer
        answer = {"error": "Exception in ssl_context hook\n" + traceback.format_exc()}
    with open(into, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def plain(hook, cfg):
    import ssl

    calls = record(ssl.SSLContext)

    def default_ssl_context_factory():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cfg.ca_certs)
        context.load_cert_chain(certfile=cfg.certfile, keyfile=cfg.keyfile)
        context.verify_mode = cfg.cert_reqs
        if cfg.ciphers:
            context.set_ciphers(cfg.ciphers)
        return context

    return translate(ssl, hook(cfg, default_ssl_context_factory), calls)


def record(kind):
    """From now on the calls of these methods are kept, by context. The process ends soon: nothing is undone."""
    calls = {}
    for name in RECORDED:
        method = getattr(kind, name, None)
        if method is not None:
            setattr(kind, name, recording(name, method, calls))
    return calls


def recording(name, method, calls):
    def call(self, *args, **kw):
        calls.setdefault(id(self), []).append((name, args, kw))
        return method(self, *args, **kw)
    return call


def translate(ssl, context, calls):
    chains, missing = [], []
    for name, args, kw in calls.get(id(context), ()):
        if name == "load_cert_chain":
            given = dict(zip(("certfile", "keyfile", "password"), args), **kw)
            if given.get("password"):
                missing.append(WITH_PASSWORD)
            chains.append([os.path.abspath(os.fsdecode(given["certfile"])), given.get("keyfile") and os.path.abspath(os.fsdecode(given["keyfile"])) or ""])
        elif name in FOREIGN:
            missing.append(FOREIGN[name])
    missing += [text for name, text in FOREIGN.items() if getattr(context, name, None) and not name.startswith("set_")]
    if not chains:
        missing.append(NO_CHAIN)
    if missing:
        return {"error": "ssl_context asks for what gosrv does not have: " + "; ".join(missing)}
    low, high = context.minimum_version, context.maximum_version
    low = 0x0303 if low == ssl.TLSVersion.MINIMUM_SUPPORTED else int(low)
    high = 0 if high == ssl.TLSVersion.MAXIMUM_SUPPORTED else int(high)
    if context.options & ssl.OP_NO_TLSv1_3:
        high = 0x0303
    if context.options & ssl.OP_NO_TLSv1_2:
        low = 0x0304
    authorities = [ssl.DER_cert_to_PEM_cert(der) for der in context.get_ca_certs(binary_form=True)]
    return {
        "chains": chains, "min": max(low, 0x0303), "max": high,
        "suites": [[cipher["id"] & 0xFFFF, cipher["name"]] for cipher in context.get_ciphers()],
        "require": int(context.verify_mode), "authorities": "".join(authorities) if context.verify_mode else "",
        "tickets": not context.options & ssl.OP_NO_TICKET and getattr(context, "num_tickets", 2) > 0,
    }
