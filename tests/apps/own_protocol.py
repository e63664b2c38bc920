"""What applications do with gunicorn.socket, by path. The query says how the request ends; with "quiet" in it the client speaks first.

A line is sent back; "end" ends it. The log gets OVER <path> at the end of a request, in whatever way.
"""
import os
import select
import socket
import sys
import threading

kept = {}


def lines(read):
    """The lines that come, until one that says "end" or the end of all."""
    pending = b""
    while True:
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            if line == b"end":
                return
            yield line + b"\n"
        data = read(4096)
        if not data:
            return
        pending += data


def by_recv(environ, sock):
    for line in lines(sock.recv):
        sock.sendall(line)


def by_recv_into(environ, sock):
    def read(size):
        buffer = bytearray(size)
        return bytes(buffer[:sock.recv_into(buffer)])

    for line in lines(read):
        sock.sendall(line)


def by_makefile(environ, sock):
    with sock.makefile("rwb") as file:
        for line in file:
            if line == b"end\n":
                break
            file.write(line)
            file.flush()


def by_recvmsg(environ, sock):
    for line in lines(lambda size: sock.recvmsg(size)[0]):
        sock.sendmsg([line[:1], line[1:]])


def by_recvmsg_into(environ, sock):
    first, second = bytearray(3), bytearray(400)

    def read(size):
        n = sock.recvmsg_into([first, second])[0]
        return bytes((first + second)[:n])

    for line in lines(read):
        sock.send(line)


def by_peek(environ, sock):
    while True:
        line = sock.recv(4096, socket.MSG_PEEK)
        if not line:
            return
        assert sock.recv(len(line), socket.MSG_WAITALL) == line
        text, end, _ = line.partition(b"end\n")
        sock.sendall(text)
        if end:
            return


def by_descriptor(environ, sock):
    """A library in C: it knows a number only, and the blocking mode that comes with it."""
    fd = sock.fileno()
    for line in lines(lambda size: os.read(fd, size)):
        os.write(fd, line)


def by_select(environ, sock):
    def read(size):
        assert select.select([sock], [], [], 30)[0] == [sock]
        return sock.recv(size)

    for line in lines(read):
        sock.sendall(line)


def by_timeout(environ, sock):
    sock.settimeout(0.05)
    assert sock.gettimeout() == 0.05
    try:
        sock.recv(10)
        sock.sendall(b"nothing was sent\n")
    except socket.timeout:
        sock.sendall(b"timed out\n")
    sock.setblocking(False)
    try:
        sock.recv(10)
    except BlockingIOError:
        sock.sendall(b"would block\n")
    sock.settimeout(None)
    for line in lines(sock.recv):
        sock.sendall(line)


def by_detach(environ, sock):
    """Another thread goes on with the connection when the request is long over."""
    mine = socket.socket(fileno=sock.detach())

    def go_on():
        with mine:
            for line in lines(mine.recv):
                mine.sendall(line)

    threading.Thread(target=go_on, daemon=True).start()


def by_two_threads(environ, sock):
    """Both use it for the first time at the same moment."""
    barrier, found = threading.Barrier(2), []

    def first():
        barrier.wait()
        found.append(sock.fileno())

    threads = [threading.Thread(target=first) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sock.sendall(b"%d socket\n" % len(set(found)))


def by_with(environ, sock):
    with sock as same:
        for line in lines(same.recv):
            same.sendall(line)


def closes_early(environ, sock):
    """The client sees the end at once, not with the request's."""
    sock.shutdown(socket.SHUT_WR)
    sock.close()
    with open(environ["QUERY_STRING"].partition("fifo=")[2], "rb") as fifo:
        fifo.read(1)


def kept_for_later(environ, sock):
    kept["socket"], kept["recv"] = sock, sock.recv


OWN = {f.__name__: f for f in (by_recv, by_recv_into, by_makefile, by_recvmsg, by_recvmsg_into, by_peek, by_descriptor, by_select,
                               by_timeout, by_detach, by_two_threads, by_with, closes_early, kept_for_later)}


def what_is_kept():
    """How a socket answers when its request is over."""
    for name, use in (("recv", lambda s: kept["recv"](1)), ("sendall", lambda s: s.sendall(b"x")), ("getpeername", lambda s: s.getpeername()),
                      ("fileno", lambda s: s.fileno()), ("close", lambda s: s.close())):
        try:
            yield "%s: %r\n" % (name, use(kept["socket"]))
        except OSError as e:
            yield "%s: errno %d\n" % (name, e.errno)


def looks(environ, sock):
    """Nothing of this takes the connection over."""
    assert sock.family == socket.AF_INET and sock.type == socket.SOCK_STREAM and isinstance(sock, socket.socket)
    assert sock.getpeername() == (environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"]))
    assert sock.getsockname()[1] == int(environ["SERVER_PORT"])
    assert sock.gettimeout() is None
    sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return "looked"


def is_gone(environ, sock):
    """What a long view does to see whether its client still waits."""
    sock.setblocking(False)
    try:
        gone = sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        gone = False
    ready = select.select([sock], [], [], 0)[0]
    sock.setblocking(True)
    return "gone" if gone and ready else "here"


def interim(environ, sock):
    sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    return "after 103"


def body_first(environ, sock):
    return environ["wsgi.input"].read().decode() + " " + interim(environ, sock)


ANSWERS = {f.__name__: f for f in (looks, is_gone, interim, body_first)}


def begun(environ, start_response, sock):
    start_response("200 OK", [("Content-Type", "text/plain")])(b"one ")
    sock.sendall(b"4\r\nraw \r\n")
    if environ["QUERY_STRING"] == "reads":
        sock.sendall(sock.recv(100))
    return [b"two"]


def switched(environ, start_response, sock):
    start_response("101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", "websocket")])(b"")
    for line in lines(sock.recv):
        sock.sendall(line)
    return []


def switched_generator(environ, start_response, sock):
    start_response("101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", "websocket")])
    yield b""
    yield b"dropped: 101 has no body"
    for line in lines(sock.recv):
        sock.sendall(line)


def generator(environ, start_response, sock):
    sock.sendall(b"hello\n")
    for line in lines(sock.recv):
        sock.sendall(line)
        yield b""


WSGI = {f.__name__: f for f in (begun, switched, switched_generator, generator)}


def ends(environ, start_response):
    """The ways in which a request that has used the socket ends."""
    how = environ["QUERY_STRING"].partition("&")[0]
    if how == "stop":
        raise StopIteration
    if how == "connection":
        raise ConnectionError("the application's own")
    if how == "reset":
        raise ConnectionResetError(104, "Connection reset by peer")
    if how == "value":
        raise ValueError("REASON-of-the-application")
    if how == "answer":
        start_response("200 OK", [])
        return [b"an answer"]
    return []


def application(environ, start_response):
    name, sock = environ["PATH_INFO"][1:], environ["gunicorn.socket"]
    if name in OWN:
        try:
            if "quiet" not in environ["QUERY_STRING"]:
                sock.sendall(b"hello\n")
            OWN[name](environ, sock)
        finally:
            sys.stderr.write("OVER %s\n" % name)
            sys.stderr.flush()
        return ends(environ, start_response)
    if name in WSGI:
        return WSGI[name](environ, start_response, sock)
    text = "hello"
    if name == "kept":
        text = "".join(what_is_kept())
    elif name == "pid":
        text = str(os.getpid())
    elif name == "descriptors":
        text = str(len(os.listdir("/proc/self/fd")))
    elif name == "stop":
        raise StopIteration
    elif name in ANSWERS:
        text = ANSWERS[name](environ, sock)
    body = text.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
