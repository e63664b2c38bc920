"""Stands in for Gunicorn where that is not installed: what config files and programs import of it.

Inside gosrv the modules come from the binary, after everything that is installed: a real
Gunicorn is found first. On disk the package runs programs by executing gosrv.
"""

version_info = (27, 0, 1)  # the release whose behaviour is the reference
__version__ = ".".join(str(part) for part in version_info)
SERVER = "gunicorn"
SERVER_SOFTWARE = "%s/%s" % (SERVER, __version__)
