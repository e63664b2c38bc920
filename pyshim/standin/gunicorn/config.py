"""The settings object of a program that makes its own server. What it sets is checked by
gosrv, when it takes over; outside gosrv every name is taken, for the program runs again then."""

import sys

DEFAULTS = {}  # name: default, put there by gosrv


class Setting:
    def __init__(self, name, default):
        self.name, self.default, self.value = name, default, default
        self.given = False

    def get(self):
        return self.value

    def set(self, value):
        self.value, self.given = value, True


class AnyName(dict):
    """Outside gosrv its names are not known."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        self[name] = Setting(name, None)
        return self[name]


class Config:
    def __init__(self, usage=None, prog=None):
        known = {name: Setting(name, default) for name, default in DEFAULTS.items()}
        self.__dict__["settings"] = known if "_gosrv" in sys.modules else AnyName(known)
        self.usage, self.prog = usage, prog

    def __getattr__(self, name):
        if name.startswith("__") or name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        return self.settings[name].get()

    def __setattr__(self, name, value):
        if name not in ("usage", "prog") and name in self.settings:
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def set(self, name, value):
        if name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        self.settings[name].set(value)

    def validate(self):
        """gosrv checks what was set."""

    def said(self):
        """The values that the program has set."""
        return {name: setting.value for name, setting in self.settings.items() if setting.given}

    @property
    def address(self):
        from gunicorn.util import parse_address

        return [parse_address(text) for text in self.bind]

    @property
    def env(self):
        return dict(pair.split("=", 1) for pair in self.raw_env or ())


def get_default_config_file():
    """./gunicorn.conf.py, if there is one."""
    import os

    path = os.path.join(os.path.abspath(os.getcwd()), "gunicorn.conf.py")
    return path if os.path.exists(path) else None
