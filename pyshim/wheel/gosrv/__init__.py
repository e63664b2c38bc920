"""gosrv, a WSGI server. The server is the program `gosrv`; this package finds it for `python -m gosrv`
and, as a Django app, adds `manage.py rungosrv`."""
