"""What hooks and logger classes see: Gunicorn's objects by their names (Gunicorn 27). Nothing of it is loaded
where there is neither."""

import gosrv_shim


def __getattr__(name):
    return gosrv_shim.load("view." + name)
