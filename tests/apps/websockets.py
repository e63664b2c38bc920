"""WebSockets as Flask applications have them, by flask-sock and by simple-websocket alone."""
import os
import sys

import simple_websocket
from flask import Flask, request
from flask_sock import Sock

application = Flask(__name__)
if os.environ.get("PING"):
    application.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": float(os.environ["PING"])}
sock = Sock(application)


def serve(ws):
    try:
        while True:
            message = ws.receive()
            if message == "end":
                return
            if message == "pid":
                message = str(os.getpid())
            ws.send(message)
    finally:
        sys.stderr.write("OVER\n")
        sys.stderr.flush()


@sock.route("/echo")
def echo(ws):
    serve(ws)


@application.route("/simple", websocket=True)
def simple():
    """As the documentation of simple-websocket has it: the view returns something, which is nobody's."""
    ws = simple_websocket.Server.accept(request.environ, ping_interval=float(os.environ.get("PING") or 0) or None)
    try:
        serve(ws)
        ws.close()
    except simple_websocket.ConnectionClosed:
        pass
    return ""


@application.route("/")
def index():
    return "hello"


@application.route("/descriptors")
def descriptors():
    return str(len(os.listdir("/proc/self/fd")))
