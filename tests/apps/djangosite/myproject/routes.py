"""Says which URL pattern a request has met, for gosrv's metrics."""


def routes(get_response):
    def middleware(request):
        response = get_response(request)
        if request.resolver_match:
            request.META["gosrv.route"] = "/" + request.resolver_match.route
        return response

    return middleware
