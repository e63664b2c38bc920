"""How long others wait while one URL kills its worker again and again, for gosrv or Gunicorn, measured by the same clients.

    python poison.py [gosrv|gunicorn] [seconds] [argument of the server ...]     prints the figures
"""
import os
import socket
import sys
import threading
import time

REQUEST = b"GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


def ask(address, path=b"/", timeout=30.0):
    """One request on a connection of its own; returns everything that came, b"" where the connection was cut."""
    with socket.create_connection(address, timeout) as sock:
        sock.sendall(REQUEST % path)
        got = b""
        try:
            while piece := sock.recv(65536):
                got += piece
        except ConnectionError:
            return b""
    return got


class Others:
    """Clients that ask one after the other for a harmless page, each on a new connection, and note how long it took.

    A connection that a killed worker had taken already is cut: its client repeats the request, as a browser does, and its wait
    goes on."""

    def __init__(self, address, clients=4, pause=0.01):
        self.address, self.pause = address, pause
        self.waits = []  # (seconds, when it began)
        self.repeated = 0
        self.strange = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        while not self.over.wait(self.pause):
            begun = time.monotonic()
            while True:
                try:
                    got = ask(self.address)
                except OSError as error:
                    self.strange.append(error)
                    return
                if got.startswith(b"HTTP/1.1 200 "):
                    break
                if got:
                    self.strange.append(got)
                self.repeated += 1
            self.waits.append((time.monotonic() - begun, begun))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def worst(self):
        return max(wait for wait, _ in self.waits)

    def figures(self):
        waits = sorted(wait for wait, _ in self.waits)
        return "%d answers, %d repeated, worst %.0f ms, p99 %.0f ms, p50 %.1f ms" % (
            len(waits), self.repeated, waits[-1] * 1e3, waits[len(waits) * 99 // 100] * 1e3, waits[len(waits) // 2] * 1e3)


def poison(address, path, times, every=0.5):
    """Ask for the deadly page so many times, one every so many seconds."""
    begun = time.monotonic()
    for n in range(times):
        time.sleep(max(0.0, begun + n * every - time.monotonic()))
        ask(address, path)


def main():
    import harness

    os.environ["TEST_SERVER"] = sys.argv[1] if len(sys.argv) > 1 else "gosrv"
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    server = harness.Server("crashing", "-w", "2", *sys.argv[3:], balance=False)
    server.wait_workers(2)
    try:
        with Others(server.address) as others:
            poison(server.address, b"/sigkill", seconds * 2)
        print(others.figures(), others.strange[:3])
    finally:
        server.stop()


if __name__ == "__main__":
    main()
