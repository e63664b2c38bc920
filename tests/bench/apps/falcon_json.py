"""A Falcon resource that answers JSON, as an API written with FastAPI does: a number from the path, a parameter that must be there."""

import falcon


class Item:
    def on_get(self, request, response, number):
        response.media = {"number": number, "name": "item %d" % number, "wanted": request.get_param("wanted", required=True), "tags": ["a", "b", "c"]}


application = falcon.App()
application.add_route("/item/{number:int}", Item())
