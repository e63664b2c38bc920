"""Children and signals of an application that runs in greenlets: forks of every kind, while other requests wait."""
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

heard = []
waiting = []
gate = threading.Event()
PLAIN = [("Content-Type", "text/plain")]


def handler(number, frame):
    heard.append(signal.Signals(number).name)


def hold():
    waiting.append(None)
    gate.wait()
    return "held"


def forked(ending):
    """os.fork, with a hub and greenlets in the child, too: it waits in its own greenlet, then ends in one of three ways."""
    pid = os.fork()
    if pid == 0:
        time.sleep(0.2)
        if ending == "exit":
            os._exit(7)
        if ending == "raise":
            raise ValueError("in the child")
        return "from the child"
    return "exit code %d" % os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def forked_and_spawning():
    """The child starts greenlets and children of its own."""
    pid = os.fork()
    if pid == 0:
        done = []
        threads = [threading.Thread(target=lambda: (time.sleep(0.05), done.append(1))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(len(done) + subprocess.run([sys.executable, "-c", "raise SystemExit(4)"]).returncode)
    return "exit code %d" % os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def work(queue, number):
    time.sleep(0.05)
    queue.put(number * number)


def processes():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=work, args=(queue, n)) for n in range(3)]
    for child in children:
        child.start()
    found = sorted(queue.get() for _ in children)
    for child in children:
        child.join()
    return "%s %s" % (found, [child.exitcode for child in children])


def many_children():
    """As many as there are, one after another and several at once: each is reaped."""
    for _ in range(3):
        children = [subprocess.Popen([sys.executable, "-S", "-c", "print(%d)" % n], stdout=subprocess.PIPE) for n in range(4)]
        for n, child in enumerate(children):
            assert child.communicate()[0] == b"%d\n" % n and child.returncode == 0
    return "reaped"


def slow_child():
    return subprocess.run(["sh", "-c", "sleep 0.3; echo child; exit 3"], capture_output=True, text=True).stdout


def altstack():
    """The signals whose handlers lack SA_ONSTACK although they are handled, as gdb would read it: from a child that asks."""
    import ctypes

    class Action(ctypes.Structure):
        _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_ulong * 16), ("flags", ctypes.c_int), ("restorer", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    for number in range(1, 65):
        action = Action()
        if libc.sigaction(number, None, ctypes.byref(action)) == 0 and (action.handler or 0) > 1 and not action.flags & 0x08000000:
            found.append(number)
    return json.dumps(found)


def timer():
    """A Python-level handler that a timer calls, in whichever greenlet is running."""
    signal.signal(signal.SIGALRM, handler)
    before = heard.count("SIGALRM")
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while heard.count("SIGALRM") == before:
        time.sleep(0.01)
    return "rung"


def watched():
    """A signal by the hub's own way."""
    import gevent
    from gevent.event import Event

    seen = Event()
    watcher = gevent.signal_handler(signal.SIGUSR2, seen.set)
    os.kill(os.getpid(), signal.SIGUSR2)
    seen.wait(10)
    flags = altstack()
    watcher.cancel()
    return "seen" if seen.is_set() and flags == "[]" else "%s %s" % (seen.is_set(), flags)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    text = {
        "/": lambda: "hello", "/hold": hold, "/waiting": lambda: str(len(waiting)), "/release": lambda: gate.set() or "released",
        "/fork-exit": lambda: forked("exit"), "/fork-return": lambda: forked("return"), "/fork-raise": lambda: forked("raise"),
        "/fork-spawn": forked_and_spawning, "/multiprocessing": processes, "/children": many_children, "/slow": slow_child,
        "/system": lambda: str(os.system("exit 0")), "/altstack": altstack, "/timer": timer, "/watched": watched, "/pid": lambda: str(os.getpid()),
    }[path]()
    start_response("200 OK", PLAIN + [("Content-Length", str(len(text)))])
    return [text.encode()]
