"""--paste: the application of a PasteDeploy file."""

import os
import re

from .application import AppImportError


def load(location, pairs):
    """location is FILE or FILE#SECTION; pairs are the KEY=VALUE texts of --paste-global."""
    try:
        from paste.deploy import loadapp
    except ImportError as e:
        if e.name not in ("paste", "paste.deploy"):
            raise
        raise AppImportError("--paste needs the package PasteDeploy: pip install PasteDeploy") from None
    return loadapp("config:" + location, relative_to=os.getcwd(), global_conf=global_conf(pairs))


def global_conf(pairs):
    """A = in a key or a value is written as \\=."""
    found = {}
    for pair in pairs or ():
        key, value = re.split(r"(?<!\\)=", pair, maxsplit=1)
        found[key.replace("\\=", "=")] = value.replace("\\=", "=")
    return found
