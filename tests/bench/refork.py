"""What --refork-after saves: PSS of the Django example project with 4 workers after some thousand requests, in MiB.

    python tests/bench/refork.py [--requests 4000]

Run by a Python whose venv has Gunicorn, Django and WhiteNoise.
"""

import argparse
import http.client
import signal
import subprocess
import tempfile
import threading
import time

import bench
import start

PATHS = ["/", "/admin/login/?next=/admin/", "/nosuch", "/admin/"]
CLIENTS, WORKERS, AFTER = 8, 4, 400
SERVERS = {
    "gosrv --preload": start.GOSRV + ["--preload"],
    "gosrv --preload --refork-after": start.GOSRV + ["--preload", "--refork-after", str(AFTER)],
    "gosrv": start.GOSRV,
    "gosrv --refork-after": start.GOSRV + ["--refork-after", str(AFTER)],
    "gunicorn --preload": start.GUNICORN + ["--preload"],
}


def ask(port, count, paths=PATHS):
    """A connection for each request, so that all workers get their share."""
    for i in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", paths[i % len(paths)])
        connection.getresponse().read()
        connection.close()


def load(port, count, paths=PATHS):
    threads = [threading.Thread(target=ask, args=(port, count // CLIENTS, paths)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def listens(port, process):
    while process.poll() is None:
        try:
            ask(port, 1)
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server ended with code %d" % process.returncode)


def measure(command, data, requests):
    port = bench.free_port()
    process = subprocess.Popen(
        command + ["-w", str(WORKERS), "-b", "127.0.0.1:%d" % port, "--log-level", "critical", "myproject.wsgi"],
        cwd=start.SITE, env=start.environment(data), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listens(port, process)
        load(port, max(WORKERS * AFTER * 2, requests // 2))
        time.sleep(3)  # the workers are replaced
        load(port, requests)
        time.sleep(1)
        return start.titles(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as data:
        start.prepare(data)
        for name, command in SERVERS.items():
            found = measure(command, data, requests)
            print("%-32s %6.1f" % (name, sum(found.values())), flush=True)
            for what, size in found.items():
                print("    %-28s %6.1f" % (what, size), flush=True)


if __name__ == "__main__":
    main()
