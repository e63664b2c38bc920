"""The zygote: obeys the master, forks workers. One thread; only `main` returns, in a worker."""

import _gosrv
import functools
import gc
import os
import signal
import sys
import traceback

from . import green, hooks, logs, process, view
from .loading import application, conffile
from .process import channel, stacks
from .worker import Refused, Worker, warm_up


# The release whose behaviour is the reference.
GUNICORN = "gunicorn/27.0.1"


class Unfit(Exception):
    """An order that cannot be carried out: stage, exit code, message and traceback of Failed."""


class Zygote:
    def __init__(self, control):
        self.control = control
        self.hooks = {}
        self.objects = {}
        self.cfg = self.log = self.errors = self.server = self.worker_class = None
        self.preloaded = False
        self.program = None  # the module, where --program has run one
        self.seed = None  # what is known of this process since it was one
        self.sharing = None  # what workers share of the standard library, if they do
        self.unannounced = {}  # age: workers that were forked and whose pid the master has not told yet

    def begin(self, message, fds):
        """Leaves a seed behind, while nothing of the user's has run here. False: nothing is to be
        loaded, in the seed and in one that must not become a zygote."""
        if self.seed is not None and not self.seed.fresh(channel.filename(message["dir"])):
            channel.close_all(fds)
            self.control.send("Stale")
            return False
        if fds and self.plant_seed(message["started"], fds):
            return False
        channel.close_all(fds)
        return True

    def plant_seed(self, started, fds):
        """Forks the seed. True in it."""
        try:
            if self.seed is None and not copies_well(self.control.socket.fileno(), *fds):
                return False  # nothing has begun in a seed since it was looked at
            if not _gosrv.fork_worker():
                return False
        except OSError:
            return False  # the next reload starts an interpreter
        from .forks import seeds

        self.control.close()
        self.control = channel.Channel(fds[0])
        _gosrv.set_title("gosrv: seed")
        try:
            if self.seed is None:
                self.seed = seeds.Seed(started)
            self.control.send("SeedReady", pid=os.getpid())
        except OSError:
            os._exit(0)  # it is not wanted any more, or cannot tell when it must not be
        return True

    def load_config(self, message, fds):
        if not self.begin(message, fds):
            return
        _gosrv.end_with_master(self.control.socket.fileno())  # a seed was only waiting so far
        if message.get("program"):
            self.load_program(message)
            return
        sys.argv = list(message["argv"])
        enter_directory(message["dir"])
        path = channel.filename(message.get("path"))
        try:
            values, read = conffile.load(path, message["explicit"])
        except conffile.ConfigError as e:
            self.failed("config", 1, str(e), "")
            return
        except BaseException as e:  # noqa: BLE001 - the config file is a program: whatever it ends with, the master is told
            self.failed("config", 1, "Failed to read config file: %s" % (path or conffile.DEFAULT),
                        traceback_of(e))
            return
        self.config_loaded(read, values)

    def load_program(self, message):
        """--program: what its application sets is what a config file would say."""
        from .loading import program

        location = channel.filename(message["program"])
        try:
            values = program.load(location, message["argv"], message["defaults"])
            self.program = program
        except program.Unusable as e:
            self.failed("config", 1, str(e), "")
        except SystemExit as e:
            self.failed("config", 1, "%s ended with exit code %s before run() of its application"
                        % (location, e.code), "")
        except BaseException as e:  # noqa: BLE001 - the user's program, too
            self.failed("config", 1, "Failed to run the program: %s" % location, traceback_of(e))
        else:
            self.config_loaded(location, values)

    def config_loaded(self, read, values):
        process.flush()  # what was printed comes once, and before what the master says
        settings, arities = conffile.split(values)
        self.hooks = {name: values[name] for name in arities}
        self.objects = {name: values[name] for name in ("logconfig_dict", "logger_class") if name in values}
        self.control.send("ConfigLoaded", path=read, settings=settings, callables=arities)

    def configure(self, message, fds):
        """From the resolved settings to a zygote that can fork; the first step that fails is what the master hears of."""
        stacks.answer_with(fds[0] if fds else 2)
        try:
            named = self.take_settings(message)
            self.open_logs(message["settings"], fds[0] if fds else 2)
            self.make_server(message, named)
            self.generation = message["generation"]
            self.entitle()
            self.import_hooks(message["settings"])
            tls = self.tls_context()
            self.check_library()
            found = self.preload(message) if message["settings"].get("preload_app") else []
        except Unfit as e:
            self.failed(*e.args)
            return
        process.flush()
        if self.cfg.worker_class_str == "eventlet":
            found.append(green.library.EVENTLET)
        if process.threads_patched() and self.cfg.threads > 1:
            found.append(process.THREADS_PATCHED % self.cfg.threads)
        self.configured(found + logs.ignored(self.cfg), tls)
        if message["share_stdlib"]:
            from .forks import stdlib

            self.sharing = stdlib.Sharing()

    def import_stdlib(self, message, fds):
        """What the first worker has imported of the standard library, for those that are forked from now on."""
        from .forks import stdlib

        obstacle = ""
        try:
            self.sharing.load(message["modules"])
        except (stdlib.Obstacle, OSError) as e:
            obstacle = str(e)
        gc.collect()
        gc.freeze()  # as with preload: what workers share stays shared
        _gosrv.fill_holes()
        process.flush()
        self.control.send("StdlibImported", modules=self.sharing.imported, obstacle=obstacle)

    def take_settings(self, message):
        """Makes cfg, and the environment that the settings ask for; gives what names the application."""
        settings, named = message["settings"], message["app"]
        if self.program is None:
            sys.argv = list(message["argv"])
        else:
            self.program.adopt(settings)
        if settings.get("paste"):
            named = functools.partial(application.load_paste, named, settings["raw_paste_global_conf"])
        os.environ["SERVER_SOFTWARE"] = GUNICORN  # what runs beside Gunicorn looks for it
        os.environ.update(message.get("env") or {})
        if conffile.plain(self.objects.get("logconfig_dict")) != settings.get("logconfig_dict"):
            self.objects.pop("logconfig_dict", None)  # another place won
        about = message["about"]  # what the master knows of the settings, if hooks or loggers see them
        self.cfg = view.config.Config(settings, self.hooks, self.objects, about) if about else hooks.Settings(
            settings, self.hooks, self.objects)
        return named

    def open_logs(self, settings, fd):
        """Enters the directory of the settings, too: a logger class may lie there, and write there."""
        self.errors = logs.Destination(fd)
        if self.cfg.errorlog == "-":
            self.errors.write_as(sys.__stderr__)
        logs.capture_output(self.cfg, self.errors.fd)
        enter_directory(settings["chdir"])
        if settings.get("pythonpath"):
            search(settings["pythonpath"].split(","))
        try:
            self.log = logs.make(self.cfg, self.errors)
        except RuntimeError as e:
            raise Unfit("config", 1, str(e), "") from e
        except Exception as e:
            raise Unfit("config", 1, "Failed to set up logging", traceback_of(e)) from e

    def import_hooks(self, settings):
        try:
            self.hooks.update(hooks.named(settings))
        except conffile.ConfigError as e:
            raise Unfit("config", 1, str(e), "") from e
        except Exception as e:
            raise Unfit("config", 1, "Failed to import a hook", traceback_of(e)) from e

    def tls_context(self):
        """What the hook ssl_context makes, None without one."""
        if not (self.cfg.certfile or self.cfg.keyfile):
            return None
        hook = self.hooks.get("ssl_context")
        if hook is None:
            return None
        from .loading import tls_context

        return tls_context.of_hook(hook, self.cfg)

    def check_library(self):
        """What the worker class needs is there, before any worker is started."""
        try:
            green.check(self.cfg)
        except green.library.Missing as e:
            raise Unfit("config", 1, str(e), "") from e

    def preload(self, message):
        """Imports the application; gives what there is to warn of: what it has left behind for its workers to share."""
        from .forks import leftovers

        if message["settings"].get("reload"):
            from .loading import development

            development.note_imports(message["settings"].get("reload_extra_files") or ())
        green.patch(self.cfg)  # before what the application imports is bound to anything that is not patched
        try:
            with leftovers.Watch(message["app"]) as watch:
                warm_up(self.server.app.wsgi(), self.cfg, self.log, self.server)
                self.preloaded = True
        except BaseException as e:
            raise Unfit(*why(e)) from e
        found = watch.warnings()  # by the collector's list, too, which gc.freeze empties
        _gosrv.pass_over_signals()  # the import may have set handlers: they are the workers'
        gc.freeze()  # shared pages stay shared: the collector leaves them alone
        _gosrv.fill_holes()  # and so does malloc
        return found

    def make_server(self, message, named):
        """What hooks see, or what is enough where there are none."""
        app = self.program and self.program.application
        if message["about"]:
            app = app or view.app.Application(self.cfg, named)
            self.server = view.server.Arbiter(self.cfg, self.log, message, app)
            self.server.resize_by(self.resize)
            self.worker_class = view.worker.CLASSES[self.cfg.worker_class_str]
        else:
            app = app or application.Application(named)
            self.server = hooks.Server(self.cfg, self.log, message["master_pid"], message["software"], app)
            self.worker_class = Worker

    def resize(self, number):
        """server.num_workers was set."""
        self.control.send("Resize", workers=number)

    def entitle(self):
        _gosrv.set_title("gosrv: zygote gen %s [%s]" % (self.generation, self.server.proc_name))

    def configured(self, warnings, tls=None):
        self.control.send("Configured", tls_context=tls, preloaded=self.preloaded, warnings=warnings,
                          relay=bool(logs.route(self.log) & logs.ERRORS), level=logs.level())

    def failed(self, stage, code, message, text):
        self.control.send("Failed", stage=stage, exit=code, message=message,
                          traceback=channel.clip(text))

    def spawn(self, message, fds):
        """Forks one worker. True in the worker, when it is ready to enter Go."""
        own, *sockets = fds
        self.server.lend(sockets)
        self.server.worker_age = message["age"]
        worker = self.worker_class(message["nr"], message["age"], self.cfg, self.log, self.server, self.errors)
        try:
            hooks.run(self.cfg, self.log, "pre_fork", self.server, worker)
            forked = _gosrv.fork_worker()
        except Exception as e:  # noqa: BLE001 - pre_fork, or a fork that the machine refuses: the master is told why
            os.close(own)
            self.server.take_back()
            self.control.send("SpawnFailed", nr=message["nr"], age=message["age"], message=not_forked(e))
            return False
        if not forked:
            os.close(own)
            self.server.take_back()
            self.unannounced[worker.age] = worker
            return False
        self.control.close()
        self.server.resize_by(None)
        if self.cfg.resolved.get("refork_after"):
            from .forks import refork

            worker.zygote, worker.sockets_at_fork = self, refork.sockets()
        worker.sharing = self.sharing
        become_worker(worker, channel.Channel(own), self.preloaded, self.log)
        return True

    def reopen_logs(self, message, fds):
        self.errors.reopen(fds[0])
        logs.capture_output(self.cfg, self.errors.fd)
        self.log.reopen_files()

    def log_line(self, message, fds):
        logs.relay_line(logs.usable(self.log), message)

    def run_hook(self, message, fds):
        self.server.lend(fds)
        self.server.workers_are(message["num_workers"])
        error, before = "", hooks.possessions()
        try:
            hooks.run(self.cfg, self.log, message["name"], self.server, *message.get("args") or ())
        except Exception as e:  # noqa: BLE001 - a hook: the master is told what it raised
            error = traceback_of(e)
        self.control.send("HookDone", name=message["name"], error=channel.clip(error),
                          keeps=hooks.possessions() > before)
        self.server.take_back()

    def worker_started(self, message, fds):
        """server.WORKERS is Gunicorn's table: pid -> worker, with those of other generations."""
        worker = self.unannounced.pop(message["age"], None) or self.stranger(message)
        worker.pid = message["pid"]
        self.server.WORKERS[worker.pid] = worker

    def worker_ended(self, message, fds):
        """child_exit, with the very object that pre_fork saw, if this zygote forked it."""
        worker = self.server.WORKERS.pop(message["pid"], None) or self.stranger(message)
        if not message["hook"]:
            return
        self.server.lend(fds)
        try:
            hooks.run(self.cfg, self.log, "child_exit", self.server, worker)
        except Exception:  # noqa: BLE001 - a hook, which run() has logged; in Gunicorn the master would end
            pass
        self.server.take_back()

    def stranger(self, message):
        """A worker that another zygote has forked."""
        worker = self.worker_class(message["nr"], message["age"], self.cfg, self.log, self.server, self.errors)
        worker.pid = message["pid"]
        return worker

    def serve(self):
        orders = {"LoadConfig": self.load_config, "Configure": self.configure,
                  "ReopenLogs": self.reopen_logs, "RunHook": self.run_hook,
                  "WorkerStarted": self.worker_started, "WorkerEnded": self.worker_ended,
                  "LogLine": self.log_line, "ImportStdlib": self.import_stdlib}
        rested = False
        while True:
            rested = rested or _gosrv.rest(self.control.socket.fileno())
            message, fds = self.control.receive()
            if message is None or message["type"] == "Exit":
                os._exit(0)
            rested = rested and message["type"] not in ("LoadConfig", "Configure", "ImportStdlib", "SpawnWorker", "RunHook")
            if message["type"] == "SpawnWorker":
                if self.spawn(message, fds):
                    return
            else:
                orders[message["type"]](message, fds)


def main(control_fd):
    if sys.version_info < (3, 10):
        keep_onstack()
    _gosrv.pass_over_signals()
    # The real one or ours, before the project's folder is searched: a config file there may
    # be called gunicorn.py. Applications look into sys.modules for it.
    import gunicorn  # noqa: F401

    stacks.answer_with(2)
    Zygote(channel.Channel(control_fd)).serve()


def become_worker(worker, control, preloaded, log):
    """Boots the worker or ends the process with Gunicorn's exit code."""
    worker.pid, worker.control = os.getpid(), control
    control.send("WorkerSpawned", pid=worker.pid)
    try:
        worker.end_with_master()
        log.info("Booting worker with pid: %s", worker.pid)
        if not green.after_fork(worker.cfg):
            process.after_fork()
        worker.boot(preloaded)
        _gosrv.enter_worker(control.detach(), worker)
    except SystemExit as e:
        if worker.booted or worker.aborted or os.getppid() != worker.ppid:
            os._exit(e.code if isinstance(e.code, int) else 1)
        if not worker.alive and not worker.aborted:  # told to go: that is no failure to boot
            worker.shutdown()
            os._exit(0)
        leave(control, *why(e))
    except BaseException as e:  # noqa: BLE001 - the application's import, and hooks: whatever ends them, the master is told
        leave(control, *why(e))


def not_forked(error):
    """Why there is no new process: pre_fork has failed, or the machine refuses it."""
    if isinstance(error, BlockingIOError):
        return "%s: as many processes and threads as there may be (ulimit -u, TasksMax=, docker run --pids-limit, pids.max of the cgroup)" % error
    return str(error)


def leave(control, stage, code, message, text):
    control.send("WorkerFailed", stage=stage, exit=code, message=message,
                 traceback=channel.clip(text))
    sys.stdout.flush()
    os._exit(code)


def why(error):
    """(stage, exit code, message, traceback) of a failed import."""
    if isinstance(error, application.AppImportError):
        return "app", application.LOAD_ERROR, str(error), ""
    if isinstance(error, Refused):
        return "boot", application.BOOT_ERROR, str(error), ""
    return "boot", application.BOOT_ERROR, "Exception in worker process", traceback_of(error)


def traceback_of(error):
    """Python's traceback without the shim's own frames at its top."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(("<gosrv>", "<frozen")):
        frames = frames.tb_next
    if frames is not None and "importlib/__init__.py" in frames.tb_frame.f_code.co_filename:
        while frames is not None and (
                "importlib" in frames.tb_frame.f_code.co_filename
                or frames.tb_frame.f_code.co_filename.startswith("<frozen")):
            frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def enter_directory(path):
    """Gunicorn's rule: the working directory is where modules are looked up first. By the name the
    user has given it: `current` is another release after a reload."""
    path = channel.filename(path)
    os.chdir(path)
    if path not in sys.path:
        sys.path.insert(0, path)


def search(pythonpath):
    """It goes before the working directory, to which it is relative, its last entry first, as in Gunicorn."""
    for entry in map(os.path.abspath, map(channel.filename, pythonpath)):
        if entry not in sys.path:
            sys.path.insert(0, entry)


def copies_well(*known):
    """Whether a copy of this process is like it: what a sitecustomize or a .pth file may have
    started, threads, sockets, pipes and event loops, would not be."""
    if len(os.listdir("/proc/self/task")) > 1:
        return False
    ours, masters = descriptors("self"), descriptors(os.getppid())
    given = {what for what in masters.values() if not what.startswith("anon_inode:")}
    return all(fd <= 2 or fd in known or what in given or not what.startswith(("socket:", "pipe:", "anon_inode:"))
               for fd, what in ours.items())


def descriptors(pid):
    """{descriptor: what it is, as /proc names it}."""
    found = {}
    for fd in os.listdir("/proc/%s/fd" % pid):
        try:
            found[int(fd)] = os.readlink("/proc/%s/fd/%s" % (pid, fd))
        except OSError:
            pass  # listdir's own
    return found


def keep_onstack():
    """CPython 3.9 sets signal handlers without SA_ONSTACK, which Go needs (bpo-43390)."""
    import _signal

    plain_signal, plain_siginterrupt = _signal.signal, _signal.siginterrupt

    def with_onstack(number, handler):
        old = plain_signal(number, handler)
        _gosrv.fix_onstack(number)
        return old

    def siginterrupt(number, flag):
        plain_siginterrupt(number, flag)
        _gosrv.fix_onstack(number)

    _signal.signal = with_onstack
    _signal.siginterrupt = signal.siginterrupt = siginterrupt
