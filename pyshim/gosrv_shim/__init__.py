"""The Python side of gosrv: runs in the zygote and, after a fork, in each worker."""

stand_in = None  # the finder of the package gunicorn, set by boot.py
