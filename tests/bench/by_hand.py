"""Starts a server that has no command of its own: by_hand.py SERVER MODULE PORT WORKERS. The folder is the current one."""

import importlib
import os
import sys


def bjoern(application, port, workers):
    import bjoern as server

    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    server.run(application, "127.0.0.1", port, reuse_port=workers > 1)


def fastpysgi(application, port, workers):
    import fastpysgi as server

    server.server.max_content_length = 64 << 20  # its own limit is lower
    server.run(application, "127.0.0.1", port, loglevel=2, workers=workers)


def freastal(application, port, workers):
    import freastal as server

    server.serve(application, host="127.0.0.1", port=port, workers=workers)


def pywsgi(application, port, workers):
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), application, log=None, backlog=2048).serve_forever()


if __name__ == "__main__":
    name, module, port, workers = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    if name == "pywsgi":
        from gevent import monkey

        monkey.patch_all()
    application = importlib.import_module(module).application
    {"bjoern": bjoern, "fastpysgi": fastpysgi, "freastal": freastal, "pywsgi": pywsgi}[name](application, int(port), int(workers))
