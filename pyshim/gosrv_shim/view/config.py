"""cfg as hooks and logger classes see it: gunicorn.config.Config by its names (Gunicorn 27)."""

import os

from .. import hooks
from ..process import privileges

# Settings that hold a function. One that is not set does nothing.
FUNCTIONS = (*hooks.ARITIES, "ssl_context", "on_dirty_starting", "dirty_post_fork", "dirty_worker_init", "dirty_worker_exit")
OF_TLS = ("keyfile", "certfile", "ssl_version", "cert_reqs", "ca_certs", "suppress_ragged_eofs",
          "do_handshake_on_connect", "ciphers")


# Settings that Gunicorn's table has as words with commas between them.
WORDS = ("forwarded_allow_ips", "forwarder_headers", "http_protocols", "proxy_allow_ips", "uwsgi_allow_ips")


def auto_int(text):
    """022 is octal."""
    return int("0o" + text[1:] if text[:1] == "0" and text[1:].isdigit() else text, 0)


def nothing(*args):
    """A hook that is not set."""


class Setting:
    """One of cfg.settings. Flags, default and help text come from the master's table."""

    section, cli, default, meta, short, default_doc = "", None, None, None, "", ""
    action = nargs = const = type = None

    def __init__(self, cfg, name, order, about):
        self._cfg, self.name, self.order = cfg, name, order
        for key, value in about.items():
            setattr(self, key, value)
        self.type = {"int": int, "auto_int": auto_int}.get(self.type)
        if name in WORDS and isinstance(self.default, list):
            self.default = ",".join(self.default)
        if name in FUNCTIONS:
            self.default, self.type = nothing, callable
            setattr(self, name, self.value)  # Gunicorn's class has its function by that name

    @property
    def desc(self):
        return self.short

    @property
    def value(self):
        value = self._cfg.stated(self.name)
        if self.name == "sendfile" and value or self.name == "proc_name" and value == self._cfg.default_proc_name:
            return None  # cfg.sendfile and cfg.proc_name tell what comes of it
        return value

    @value.setter
    def value(self, value):
        self._cfg.state(self.name, value)

    def get(self):
        return self.value

    def set(self, value):
        """Shown from now on, in this process: what the server does was settled before."""
        self.value = value

    @staticmethod
    def validator(value):
        return value

    def copy(self):
        return self

    def add_option(self, parser):
        if not self.cli:
            return
        options = {"dest": self.name, "default": None, "help": self.short.replace("%", "%%") or None,
                   "action": self.action or "store"}
        for key, value in (("nargs", self.nargs), ("const", self.const), ("metavar", self.meta), ("type", self.type)):
            if value is not None and not (key in ("metavar", "type") and options["action"].startswith("store_")):
                options[key] = value
        parser.add_argument(*self.cli, **options)

    def __lt__(self, other):
        return (self.section, self.order) < (other.section, other.order)


class Config(hooks.Settings):
    def __init__(self, values, functions, objects, about):
        super().__init__(values, functions, objects)
        self._about, self._settings = about, None
        self.usage, self.prog = "%(prog)s [OPTIONS] [APP_MODULE]", "gosrv"
        self.env_orig = dict(os.environ)

    @property
    def settings(self):
        if self._settings is None:
            names = sorted({*self.resolved, *FUNCTIONS}, key=lambda name: (self._about.get(name, {}).get("order", 0), name))
            self._settings = {name: Setting(self, name, place, self._about.get(name, {})) for place, name in enumerate(names)}
        return self._settings

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self.stated(name)

    def __setattr__(self, name, value):
        if name in self.__dict__.get("resolved", ()) or name in FUNCTIONS:
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def stated(self, name):
        """The value of a setting, in Gunicorn's form."""
        for own in (self.hooks, self.objects):
            if name in own:
                return own[name]
        if name in FUNCTIONS:
            return nothing
        try:
            value = self.resolved[name]
        except KeyError:
            raise AttributeError("No configuration setting for: %s" % name) from None
        given = FORMS.get(name)
        return given(value) if given is not None else value

    def state(self, name, value):
        if name in FUNCTIONS:
            self.hooks[name] = value
        else:
            self.objects.pop(name, None)
            self.resolved[name] = value

    def set(self, name, value):
        if name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        self.settings[name].set(value)

    def validate(self):
        """The master has checked all settings."""

    def __str__(self):
        shown = {name: setting.value for name, setting in self.settings.items()}
        width = max(map(len, shown))
        return "\n".join("%-*s = %s" % (width, name, "<%s()>" % value.__qualname__ if callable(value) else value)
                         for name, value in sorted(shown.items()))

    def parser(self):
        """Gunicorn's command line, for who wants to look at it; gosrv reads its own."""
        import argparse

        parser = argparse.ArgumentParser(prog=self.prog, usage=self.usage)
        parser.add_argument("args", nargs="*", help=argparse.SUPPRESS)
        for setting in self.settings.values():
            setting.add_option(parser)
        return parser

    def get_cmd_args_from_env(self):
        import shlex

        return shlex.split(self.env_orig.get("GUNICORN_CMD_ARGS", ""))

    @property
    def worker_class(self):
        import gunicorn.util

        from . import worker

        return gunicorn.util.load_class(worker.CLASSES[self.worker_class_str].name_of_class)

    @property
    def logger_class(self):
        from .. import logs

        named = self.resolved.get("logger_class")
        if named in (None, "simple", logs.DEFAULT_CLASS):
            named = logs.DEFAULT_CLASS if self.statsd_host is None else logs.MEASURED_CLASS
        found = self.objects.get("logger_class")
        return found if isinstance(found, type) else logs.load(named)

    @property
    def address(self):
        """[(host, port) or path or descriptor]"""
        from gunicorn.util import parse_address

        return [parse_address(text) for text in self.resolved.get("bind") or ()]

    @property
    def uid(self):
        return self.user

    @property
    def gid(self):
        return self.group

    @property
    def proc_name(self):
        return self.resolved.get("proc_name") or self.resolved.get("default_proc_name")

    @property
    def is_ssl(self):
        return self.certfile or self.keyfile

    @property
    def ssl_options(self):
        return dict({name: self.stated(name) for name in OF_TLS if name in self.resolved}, ssl_context=self.ssl_context)

    @property
    def reuse_port(self):
        return self.resolved.get("reuse_port")

    @property
    def paste_global_conf(self):
        pairs = self.resolved.get("raw_paste_global_conf")
        if pairs is None:
            return None
        from ..loading import application

        return application.global_conf(pairs)

    def forwarded_allow_networks(self):
        return networks(self.forwarded_allow_ips)

    def proxy_allow_networks(self):
        return networks(self.proxy_allow_ips)


def networks(addresses):
    import ipaddress

    return [ipaddress.ip_network(address) for address in addresses or () if address != "*"]


def listed(value):
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


# Settings whose value travels in another form than hooks know it in.
FORMS = {"http_protocols": listed, "user": privileges.user_id, "group": privileges.group_id}
