"""A small Flask application: a page, JSON in and out, a session, an upload, a stream, an error of its own."""
import hashlib

from flask import Flask, Response, abort, jsonify, render_template_string, request, session

app = Flask(__name__)
app.secret_key = "for tests only"
PAGE = "<!doctype html><title>Flask</title><h1>Hello {{ name }}</h1>"


@app.get("/")
def index():
    return render_template_string(PAGE, name=request.args.get("name", "world"))


@app.post("/json")
def echo_json():
    return jsonify(got=request.get_json(), length=request.content_length)


@app.get("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return jsonify(visits=session["visits"])


@app.post("/upload")
def upload():
    sent = request.files["file"]
    content = sent.read()
    return jsonify(name=sent.filename, size=len(content), sha256=hashlib.sha256(content).hexdigest())


@app.get("/stream")
def stream():
    return Response(("line %d\n" % n for n in range(100)), mimetype="text/plain")


@app.get("/teapot")
def teapot():
    abort(418)


@app.get("/fails")
def fails():
    raise RuntimeError("RAISED-in-flask")
