"""One worker inside a python without libpython.so, the way issue 6 will start it: run by that python,
with the c-shared library, the shim's folder and an application as arguments. Prints one JSON line.

This process plays master and zygote; the forked child loads the library (and so starts Go) and serves.
"""
import array
import ctypes
import http.client
import json
import os
import socket
import sys

library, shim, app, app_dir = sys.argv[1:5]
SETTINGS = {"workers": 1, "threads": 1, "umask": 0, "user": None, "group": None, "worker_class_str": "sync",
            "loglevel": "info", "proc_name": "static", "keepalive": 2, "graceful_timeout": 5,
            "limit_request_line": 4094, "limit_request_fields": 100, "limit_request_field_size": 8190}


def child(channel_fd, master_pid):
    loaded = ctypes.PyDLL(library)
    loaded.gosrv_library_module.restype = ctypes.py_object
    sys.modules["_gosrv"] = loaded.gosrv_library_module()
    sys.path[:0] = [shim, app_dir]
    from gosrv_shim import channel, hooks, logs, worker, zygote

    log = logs.Logger(2, "info")
    cfg = hooks.Settings(SETTINGS, {})
    server = hooks.Server(cfg, log, master_pid, "gosrv/test")
    zygote.become_worker(worker.Worker(0, 1, cfg, log, server), channel.Channel(channel_fd), None, app, log)
    loaded.gosrv_library_run()


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    master_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        child(theirs.detach(), master_pid)
    theirs.close()
    score = os.memfd_create("scoreboard")
    os.ftruncate(score, 1 << 16)
    port = listener.getsockname()[1]
    order = {"type": "Serve", "worker": {"nr": 0, "age": 1, "generation": 1, "slot": 0}, "settings": SETTINGS,
             "listeners": [{"kind": "tcp", "host": "127.0.0.1", "port": port}],
             "fds": ["scoreboard", "errorlog", "listener"]}
    rights = array.array("i", [score, 2, listener.fileno()])
    ours.sendmsg([json.dumps(order).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    heard = []
    while "WorkerReady" not in heard:
        packet = ours.recv(1 << 17)
        if not packet:
            raise SystemExit("the worker ended before it was ready; heard %s" % heard)
        heard.append(json.loads(packet)["type"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/static")
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    ours.send(json.dumps({"type": "Drain", "graceful_timeout": 5, "final": True}).encode())
    status = os.waitpid(pid, 0)[1]
    print(json.dumps({"status": response.status, "body": body, "heard": heard, "exit": status}))


main()
