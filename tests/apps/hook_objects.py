"""A configuration file, and an application, that say what every hook can reach: one JSON object a line in $OBJECTS.

For each hook the objects, and for each object its public names with the kind of their values."""
import json
import os

OUT = os.environ["OBJECTS"]
HOOKS = {
    "on_starting": "server", "on_reload": "server", "when_ready": "server", "pre_exec": "server", "on_exit": "server",
    "pre_fork": "server worker", "post_fork": "server worker", "child_exit": "server worker", "worker_exit": "server worker",
    "post_worker_init": "worker", "worker_int": "worker", "worker_abort": "worker",
    "pre_request": "worker req", "post_request": "worker req environ resp", "nworkers_changed": "server new old",
}


def kind(value):
    if isinstance(value, type):
        return "class"
    if callable(value):
        return "callable"
    plain = (bool, int, float, str, bytes, tuple, list, dict, type(None))
    return next((one.__name__ for one in plain if isinstance(value, one)), "object")


def names(thing):
    """What can be read of it; what raises says so."""
    found = {}
    for name in dir(thing):
        if name.startswith("_"):
            continue
        try:
            found[name] = kind(getattr(thing, name))
        except Exception as e:
            found[name] = "raises " + type(e).__name__
    return found


def parts(prefix, thing, wanted):
    yield prefix, thing
    for name in wanted:
        part = getattr(thing, name, None)
        if part is not None and not isinstance(part, (str, int, list, dict)):
            yield "%s.%s" % (prefix, name), part


def objects(name, thing):
    if name == "server":
        yield from parts(name, thing, ("app", "log", "pidfile"))
        yield from configuration("server.cfg", thing.cfg)
        yield from sockets("server.LISTENERS[]", thing.LISTENERS)
    elif name == "worker":
        yield from parts(name, thing, ("app", "log", "tmp"))
        yield from configuration("worker.cfg", thing.cfg)
        yield from sockets("worker.sockets[]", thing.sockets)
    elif name == "req":
        yield from parts(name, thing, ("unreader",))
    elif name == "resp":
        yield from parts(name, thing, ())


def configuration(prefix, cfg):
    yield prefix, cfg
    yield prefix + ".settings", dict
    for setting in cfg.settings.values():
        yield "%s.settings[%s]" % (prefix, setting.name), setting


def sockets(prefix, found):
    for one in found[:1]:
        yield prefix, one


def say(hook, arguments):
    line = {"hook": hook, "objects": {}}
    for name, thing in zip(HOOKS[hook].split(), arguments):
        for path, part in objects(name, thing):
            line["objects"][path] = dict(names(part), **settings_of(path, thing))
    fd = os.open(OUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, json.dumps(line).encode() + b"\n")  # in one piece: other processes write there, too
    os.close(fd)


def settings_of(path, thing):
    """cfg's settings are attributes that dir() does not name."""
    cfg = thing.cfg if path in ("server.cfg", "worker.cfg") else None
    return {name: kind(getattr(cfg, name)) for name in cfg.settings} if cfg else {}


def hook(name):
    source = "def %s(%s): say(%r, (%s,))" % (name, ", ".join(HOOKS[name].split()), name, ", ".join(HOOKS[name].split()))
    exec(source, globals())


for _name in HOOKS:
    hook(_name)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
