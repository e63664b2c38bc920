"""Flask-SocketIO as its documentation has it, with a background task, rooms and acknowledgements; flask-sock beside it."""
import os
import sys

if os.environ.get("HIDE"):
    sys.modules[os.environ["HIDE"]] = None  # Socket.IO takes gevent-websocket where it is installed, else simple-websocket

from flask import Flask
from flask_sock import Sock
from flask_socketio import SocketIO, emit, join_room

application = Flask(__name__)
socketio = SocketIO(application, async_mode=os.environ["MODE"], cors_allowed_origins="*")
sock = Sock(application)
connected = set()


@application.route("/")
def index():
    return "%d" % len(connected)


@sock.route("/echo")
def echo(ws):
    while True:
        ws.send(ws.receive())


@socketio.on("connect")
def connect():
    connected.add(object())


@socketio.on("disconnect")
def disconnect(*reason):
    connected.pop()


@socketio.on("say")
def say(text):
    emit("said", text)
    return "taken " + text


@socketio.on("binary")
def binary(data):
    emit("binary", data[::-1])


@socketio.on("join")
def join(name):
    join_room(name)


@socketio.on("tell")
def tell(name, text):
    emit("told", text, to=name)


@socketio.on("count")
def count(limit):
    socketio.start_background_task(counting, limit)


def counting(limit):
    for number in range(limit):
        socketio.sleep(0.01)
        socketio.emit("number", number)
