#!/usr/bin/python3
"""Process 1 of a machine with an old kernel: gosrv serves an application there, and a last line says how that went."""
import ctypes
import fcntl
import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

LOG = "/tmp/log"
SIOCSIFFLAGS, UP = 0x8914, 0x1
POWER_OFF = 0x4321FEDC
APP = """
import os
def app(environ, start_response):
    length = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (length, os.getpid())]
"""


def furnish():
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"devtmpfs", b"/dev"), (b"tmpfs", b"/tmp"), (b"tmpfs", b"/run")):
        os.makedirs(place, exist_ok=True)
        if libc.mount(kind, place, kind, 0, None) != 0 and kind != b"devtmpfs":
            raise OSError(ctypes.get_errno(), "mount %s" % place.decode())
    console = os.open("/dev/console", os.O_RDWR)  # the archive has no devices, so the kernel gave none
    for fd in 0, 1, 2:
        os.dup2(console, fd)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP))


def log():
    with open(LOG) as f:
        return f.read()


def wait_for(look, what, server):
    end = time.monotonic() + 240
    while not look():
        if time.monotonic() > end or server.poll() is not None:
            raise AssertionError("not seen: %s\n%s" % (what, log()))
        time.sleep(0.05)


def ask(port, body=b""):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    client.request("POST" if body else "GET", "/", body)
    answer = client.getresponse()
    assert answer.status == 200, answer.status
    length, pid = answer.read().split()
    client.close()
    assert int(length) == len(body)
    return int(pid)


def smoke():
    with open("/tmp/hello.py", "w") as f:
        f.write(APP)
    with open(LOG, "w") as out:
        server = subprocess.Popen(["/gosrv", "hello:app", "--chdir", "/tmp", "-w", "2", "--threads", "2", "--bind", "127.0.0.1:0", "--pid", "/run/pid"],
                                  stdout=out, stderr=out, env={"PATH": "/usr/bin:/bin"})
    wait_for(lambda: log().count("Booting worker") == 2, "two workers", server)
    port = int(re.search(r"Listening at: http://127.0.0.1:(\d+)", log()).group(1))
    first = ask(port)
    ask(port, b"x" * (20 << 20))
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: ask(port) != first and "Generation 2 serves" in log(), "another worker", server)
    said = subprocess.run(["/gosrv", "status", "--pid", "/run/pid"], stdout=subprocess.PIPE, universal_newlines=True)
    assert said.returncode == 0 and "2" in said.stdout, said
    subprocess.run(["/gosrv", "upgrade", "--pid", "/run/pid"], check=True)
    assert server.wait() == 0
    ask(port)
    subprocess.run(["/gosrv", "stop", "--pid", "/run/pid"], check=True)
    assert "ERROR" not in log() and "WARNING" not in log(), log()


if __name__ == "__main__":
    try:
        furnish()
        smoke()
        print("smoke: good on Linux %s" % os.uname().release, flush=True)
    except BaseException:
        traceback.print_exc()
        print("smoke: failed", flush=True)
    finally:
        sys.stdout.flush()
        os.sync()
        ctypes.CDLL(None).reboot(POWER_OFF)
