"""Answer who this worker is, and whether it could become more."""
import json
import os


def application(environ, start_response):
    with open("/proc/self/status") as f:
        status = dict(line.split(":", 1) for line in f.read().splitlines())
    body = json.dumps({
        "users": os.getresuid(), "groups": os.getresgid(), "others": os.getgroups(),
        "no_new_privileges": int(status["NoNewPrivs"]), "capabilities": int(status["CapEff"], 16), "permitted": int(status["CapPrm"], 16),
    }).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
