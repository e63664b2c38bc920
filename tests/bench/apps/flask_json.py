"""A Flask route that answers JSON. /probe gives an answer that tells when the server has closed it, and /closed whether it has."""

from flask import Flask, Response, jsonify, request

application = Flask(__name__)


@application.get("/item/<int:number>")
def item(number):
    return jsonify(number=number, name="item %d" % number, wanted=request.args.get("wanted", ""), tags=["a", "b", "c"])


probed = []


@application.get("/probe")
def probe():
    answer = Response("open")
    probed.clear()
    answer.call_on_close(lambda: probed.append("closed"))
    return answer


@application.get("/closed")
def closed():
    return str(bool(probed))
