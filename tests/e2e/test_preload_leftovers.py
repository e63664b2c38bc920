"""With --preload, what an import leaves behind and every worker shares or lacks is named, with the module that made it."""
import re
import signal
import textwrap

import pytest

import harness

pytestmark = [pytest.mark.gosrv_only("Gunicorn preloads in silence"), pytest.mark.not_green("test_green_preload has it")]

FILES = {
    "lib/reporting.py": """
        import threading

        def report():
            threading.Thread(target=threading.Event().wait, name="Reporter", daemon=True).start()
    """,
    "shop/__init__.py": "",
    "shop/metrics.py": """
        import lib.reporting

        lib.reporting.report()
    """,
    "shop/cache.py": """
        import os
        import socket

        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        pair = socket.socketpair()
        name = "\\0gosrv-test-%d" % os.getpid()
        hidden = socket.socket(socket.AF_UNIX)
        hidden.bind(name)
    """,
    "shop/tasks.py": """
        import asyncio

        loop = asyncio.new_event_loop()
    """,
    # Without Python's knowledge: a thread of pthread_create, an epoll descriptor of the kernel's.
    "shop/native.py": """
        import ctypes
        import select

        libc = ctypes.CDLL(None)
        thread = ctypes.c_ulong()
        assert libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.pause, ctypes.c_void_p), None) == 0
        poller = select.epoll()
    """,
    # Python has done with this thread; the kernel has not: its last destructor never returns.
    "shop/lingering.py": """
        import ctypes
        import threading
        import time

        libc = ctypes.CDLL(None)
        key = ctypes.c_uint()
        assert libc.pthread_key_create(ctypes.byref(key), ctypes.cast(libc.pause, ctypes.c_void_p)) == 0
        ended = threading.Thread(target=libc.pthread_setspecific, args=(key, ctypes.c_void_p(1)), daemon=True)
        ended.start()
        while ended.is_alive():
            time.sleep(0.001)
    """,
    "tidy.py": """
        import asyncio
        import concurrent.futures
        import socket
        import subprocess
        import threading

        asyncio.run(asyncio.sleep(0))
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(abs, range(9)))
        for a in socket.socketpair():
            a.close()
        dropped = asyncio.new_event_loop()
        dropped.close()
        subprocess.run(["true"])
        open("/dev/null").close()
    """,
    "app.py": """
        import importlib
        import os
        import socket
        import threading
        from importlib import machinery

        for name in os.environ["IMPORTS"].split():
            importlib.import_module(name)

        kept = []

        def make(name):
            importlib.import_module("lib.reporting").report()
            kept.append(socket.socket())
            return application

        def application(environ, start_response):
            mine = [threading.Thread.start, socket.socket.__init__, machinery.SourceFileLoader.exec_module,
                    machinery.ExtensionFileLoader.exec_module, machinery.ExtensionFileLoader.create_module]
            files = {f.__code__.co_filename for f in mine}
            body = ("%s %s" % ("exec_module" in vars(machinery.SourceFileLoader), sorted(files))).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
    """,
}


@pytest.fixture
def shop(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def warnings(server):
    return re.findall(r"\[WARNING\] (Preloading .*)", server.log)


@pytest.mark.matrix
def test_each_kind_is_named(start, shop):
    server = start("app", "--preload", cwd=shop, env={"IMPORTS": "shop.metrics shop.cache shop.tasks"})
    threads, sockets, loops = warnings(server)
    assert 'a thread behind: "Reporter" (lib.reporting, line 5, called from shop.metrics, line 4). ' in threads
    assert "it runs in no worker" in threads and "post_worker_init" in threads
    assert re.search(r" listening at 127\.0\.0\.1:(\d+) \(shop\.cache, line 5\); 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\1 \(shop\.cache, line 6\); ", sockets)
    assert "5 sockets behind" in sockets and "unix:@gosrv-test-" in sockets
    assert "an event loop behind: asyncio.unix_events._UnixSelectorEventLoop (shop.tasks, line 4). " in loops
    # All of it is said before the first worker is forked, and the wrappers are gone in the worker.
    assert server.log.index("Preloading") < server.log.index("Booting worker")
    found, _, files = server.get().text.partition(" ")
    assert found == "False" and "<gosrv>" not in files  # as the shim's own files are called


@pytest.mark.matrix
def test_what_python_does_not_know_of(start, shop):
    server = start("app", "--preload", cwd=shop, env={"IMPORTS": "shop.native"})
    threads, loops = warnings(server)
    assert "a thread behind: one of C code (import of shop.native). " in threads
    assert "an event loop behind: an epoll descriptor (import of shop.native). " in loops


def test_a_thread_that_python_has_ended_is_not_named(start, shop):
    server = start("app", "--preload", cwd=shop, env={"IMPORTS": "shop.lingering"})
    assert warnings(server) == []


def test_a_factory_is_named_by_its_line(start, shop):
    server = start('app:make("x")', "--preload", cwd=shop, env={"IMPORTS": ""})
    threads, sockets = warnings(server)
    assert '"Reporter" (lib.reporting, line 5, called from app, line 14). ' in threads
    assert "a socket behind: " in sockets and "not connected (app, line 15). " in sockets


@pytest.mark.matrix
def test_nothing_is_said_where_nothing_is_left(start, shop):
    assert not warnings(start("app", "--preload", cwd=shop, env={"IMPORTS": "tidy"}))
    assert not warnings(start("app", cwd=shop, env={"IMPORTS": "shop.metrics shop.cache shop.tasks shop.native"}, balance=False))


def test_a_reload_says_it_of_the_new_code(start, shop):
    server = start("app", "--preload", cwd=shop, env={"IMPORTS": "shop"})
    assert not warnings(server)
    (shop / "shop" / "__init__.py").write_text("import shop.metrics\nimport shop.metrics as again\n")
    old = server.wait_workers(1)
    server.send_signal(signal.SIGHUP)
    server.wait_workers(1, without=old)
    assert len(warnings(server)) == 1


def test_many_are_summed_up(start, shop):
    (shop / "pool.py").write_text("import lib.reporting\nfor _ in range(30): lib.reporting.report()\n")
    threads, = warnings(start("app", "--preload", cwd=shop, env={"IMPORTS": "pool"}))
    assert "left 30 threads behind" in threads and threads.count("Reporter") == 8 and "; and 22 more. " in threads


def test_check_config_says_it_too(shop):
    done = harness.run_once("app", "--preload", "--check-config", cwd=shop, env={"IMPORTS": "shop.metrics"})
    assert done.returncode == 0 and "Preloading left a thread behind" in done.stderr


def test_an_import_that_wraps_the_same_callables(start, shop):
    """As tracers do: their wrapper stays, and what is in it goes on working."""
    (shop / "tracer.py").write_text(textwrap.dedent("""
        import threading

        plain, started = threading.Thread.start, []

        def start(thread):
            started.append(thread)
            return plain(thread)

        threading.Thread.start = start
        import shop.metrics
    """))
    (shop / "tracing.py").write_text(textwrap.dedent("""
        import threading
        import tracer

        def application(environ, start_response):
            before = len(tracer.started)
            thread = threading.Thread(target=list)
            thread.start()
            thread.join()
            body = b"%d %s" % (len(tracer.started) - before, threading.Thread.start.__module__.encode())
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
    """))
    server = start("tracing", "--preload", cwd=shop)
    assert len(warnings(server)) == 1
    assert server.get().text == "1 tracer"


def test_a_failing_import_shows_its_own_frames_only(shop):
    """The loaders are wrapped while the traceback comes to be: nobody sees that."""
    (shop / "outer.py").write_text("import inner\n")
    (shop / "inner.py").write_text("import lib.reporting\n\n1 / 0\n")
    done = harness.run_once("outer", "--preload", cwd=shop)
    assert done.returncode != 0
    assert re.findall(r'File "(\S+)", line (\d+)', done.stderr) == [(str(shop / "outer.py"), "1"), (str(shop / "inner.py"), "3")], done.stderr


def test_a_warning_at_import_names_the_importing_line(shop):
    (shop / "old.py").write_text("import warnings\nwarnings.warn('old is old', DeprecationWarning, stacklevel=2)\n")
    (shop / "user.py").write_text("\n\nimport old\napplication = print\n")
    done = harness.run_once("user", "--preload", "--check-config", cwd=shop, env={"PYTHONWARNINGS": "always"})
    assert "%s:3: DeprecationWarning: old is old" % (shop / "user.py") in done.stderr, done.stderr
