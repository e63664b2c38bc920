# A module Python refuses to compile: the server must show Python's own message, line and all.
def application(environ, start_response)
    return []
