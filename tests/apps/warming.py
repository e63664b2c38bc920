"""What a process has served, inherited counts included; and ways to make its fork hard.

    /            {"pid", "served", "imported_in"}
    /gate?FILE   answers when FILE is there
    /break       children of this process have too little address space to load a library
    /thread      starts a thread named `later`
    /connect?N   connects to that port and keeps the connection
"""
import json
import os
import resource
import socket
import threading
import time

IMPORTED_IN = os.getpid()
state = {"served": 0, "kept": []}


def starve():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.getrlimit(resource.RLIMIT_AS)[1]))


def application(environ, start_response):
    state["served"] += 1
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/gate":
        while not os.path.exists(query):
            time.sleep(0.005)
    elif path == "/break":
        os.register_at_fork(after_in_child=starve)
    elif path == "/thread":
        threading.Thread(target=threading.Event().wait, name="later", daemon=True).start()
    elif path == "/connect":
        state["kept"].append(socket.create_connection(("127.0.0.1", int(query))))
    body = json.dumps({"pid": os.getpid(), "served": state["served"], "imported_in": IMPORTED_IN}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
