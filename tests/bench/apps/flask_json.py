"""A Flask route that answers JSON."""

from flask import Flask, jsonify, request

application = Flask(__name__)


@application.get("/item/<int:number>")
def item(number):
    return jsonify(number=number, name="item %d" % number, wanted=request.args.get("wanted", ""), tags=["a", "b", "c"])
