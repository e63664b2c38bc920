"""Make child processes in every way an application does; each path answers one line of JSON.

/fork          the child leaves by os._exit
/fork_return   the child returns into the server: it must not answer a second time
/fork_printing the same while another thread stands in a print; how the child ended
/exec_signals  what an executed program ignores and blocks
/fork_twice    what a child of the child lacks of the child's descriptors
/fork_fds      which sockets and timers the child inherited
/pieces        an answer in two pieces
/subprocess /mp_fork /mp_spawn /mp_terminate /pool /pool_terminate /daemonize /sigterm_child
"""
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time


def square(n):
    return n * n


def forever():
    while True:
        time.sleep(60)


def put_pid(queue):
    queue.put(os.getpid())


def wait_status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return wait_status(pid)


def fork_fds():
    """The sockets, epoll sets and timers a forked child still holds, as the names /proc gives them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        links = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink("/proc/self/fd/" + fd))
            except OSError:
                continue
        os.write(writer, json.dumps([link for link in links if link.startswith(("socket:", "anon_inode:[eventpoll", "anon_inode:[timerfd"))]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        held = json.loads(pipe.read())
    wait_status(pid)
    return held


class Printing:
    """A thread prints to sys.stdout, a pipe that nobody reads."""

    def __init__(self):
        self.before, (self.reader, writer) = sys.stdout, os.pipe()
        sys.stdout = open(writer, "w")
        self.thread = threading.Thread(target=print, args=("x" * (1 << 20),), kwargs={"flush": True})
        self.thread.start()
        while select.select([], [writer], [], 0)[1]:
            time.sleep(0.001)

    def end(self):
        stuck, sys.stdout = sys.stdout, self.before
        with os.fdopen(self.reader, "rb") as pipe:
            pipe.read((1 << 20) + 1)
        self.thread.join()
        stuck.close()


def run_subprocess():
    done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    shell = subprocess.run("exit 5", shell=True)
    return [done.stdout.strip(), shell.returncode]


def mp(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=put_pid, args=(queue,))
    process.start()
    child = queue.get(timeout=20)
    process.join(20)
    return [child == process.pid, process.exitcode]


def mp_terminate():
    process = multiprocessing.get_context("fork").Process(target=forever)
    process.start()
    process.terminate()
    process.join(20)
    return process.exitcode


def pool(terminate):
    workers = multiprocessing.get_context("fork").Pool(2)
    squares = workers.map(square, range(5))
    if terminate:
        workers.terminate()
    else:
        workers.close()
    workers.join()
    return squares


def daemonize():
    """A double fork, as daemons do: the grandchild leaves its pid and lives for the time of one pipe read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
        os._exit(0)
    wait_status(pid)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return int(pipe.read()) > 0


def fork_twice():
    """How many descriptors of a child are gone in its own child; they lie at numbers that were the server's."""
    pid = os.fork()
    if pid == 0:
        mine = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(sum(1 for fd in mine if not os.path.exists("/proc/self/fd/%d" % fd)))
        os._exit(wait_status(grandchild))
    return wait_status(pid)


def sigterm_child():
    pid = os.fork()
    if pid == 0:
        forever()
    os.kill(pid, signal.SIGTERM)
    return wait_status(pid)


def exec_signals():
    """What a program that this process executes begins with: the signals that it ignores and that it has blocked."""
    def of_child(**how):
        text = subprocess.run(["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"], capture_output=True, text=True, **how).stdout
        return dict(line.split(":\t") for line in text.splitlines())

    return [of_child(), of_child(restore_signals=False)]


WAYS = {
    "/exec_signals": exec_signals,
    "/fork": fork,
    "/fork_twice": fork_twice,
    "/fork_fds": fork_fds,
    "/subprocess": run_subprocess,
    "/mp_fork": lambda: mp("fork"),
    "/mp_spawn": lambda: mp("spawn"),
    "/mp_forkserver": lambda: mp("forkserver"),
    "/mp_terminate": mp_terminate,
    "/pool": lambda: pool(False),
    "/pool_terminate": lambda: pool(True),
    "/daemonize": daemonize,
    "/sigterm_child": sigterm_child,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fork_return":
        pid = os.fork()
        body = b"answer of the parent" if pid else b"ANSWER OF THE CHILD"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/pieces":
        start_response("200 OK", [])
        return iter([b"one", b"two"])
    if path == "/fork_printing":
        printing, pid = Printing(), os.fork()
        if pid == 0:
            start_response("200 OK", [])
            return [b"ANSWER OF THE CHILD"]
        body = b"%d" % wait_status(pid)
        printing.end()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    body = json.dumps(WAYS[path]() if path in WAYS else "ready").encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
