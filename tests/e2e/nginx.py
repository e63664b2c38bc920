"""A real nginx in front of the server under test: a child of the test with configuration, logs and files of its own."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import procs
from waiting import wait_for
from wire import Wire

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
MISSING = "needs nginx (Debian: nginx)"

CONFIG = """
%(user)s
daemon off;
master_process on;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events { worker_connections 1024; }
http {
    log_format facts '$status|$upstream_status|$request_method|$uri|$upstream_addr';
    access_log access.log facts;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 0;
    keepalive_timeout 300s;
    keepalive_requests 1000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto https;
%(upstreams)s
    server {
        listen %(host)s:%(port)d;
%(locations)s
    }
}
"""
UPSTREAM = "    upstream %(name)s { server %(server)s max_fails=0; keepalive 8; keepalive_timeout %(idle)gs; }"
LOCATION = "        location /%(name)s/ { proxy_pass http://%(name)s/; %(options)s }"


class Lane:
    """A location /NAME/ of the proxy with a pool of kept-alive connections to `address` for itself.

    idle is for how many seconds nginx keeps one. A request that fails is not tried again unless retry is set,
    as nginx does by itself where the method allows it: a retry hides that the server has lost a request.
    """

    def __init__(self, name, address, idle=60, retry=False, options=""):
        self.name = name
        self.server = "unix:" + address if isinstance(address, str) else "%s:%d" % address[:2]
        self.idle = idle
        self.options = options if retry else "proxy_next_upstream off; " + options


class Line:
    """One line of nginx's access log."""

    def __init__(self, text):
        self.status, self.upstream_status, self.method, self.path, self.addresses = text.split("|")

    @property
    def tries(self):
        return self.addresses.count(",") + 1

    def __repr__(self):
        return "%s %s -> %s (%s)" % (self.method, self.path, self.status, self.upstream_status)


class Nginx:
    """One running nginx; `address` is where it listens."""

    def __init__(self, lanes):
        self.dir = Path(tempfile.mkdtemp(prefix="gosrv-nginx-"))
        # nginx cannot listen at port 0 and say what it got, but it takes over a socket, as in its own upgrade.
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.address = listener.getsockname()
            (self.dir / "nginx.conf").write_text(self.config(lanes))
            with open(self.dir / "stderr.log", "wb") as err:
                self.process = subprocess.Popen(
                    [NGINX, "-p", str(self.dir) + "/", "-c", "nginx.conf", "-e", "stderr"], pass_fds=[listener.fileno()], start_new_session=True,
                    env=dict(os.environ, NGINX="%d;" % listener.fileno()), stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                )
        try:
            wait_for(self.serving, lambda: "a worker of nginx\n%s" % self.log, 10)
        except BaseException:
            self.kill()
            raise

    def config(self, lanes):
        # A worker of another user could open neither these folders nor the servers' sockets.
        user = "user root;" if os.geteuid() == 0 else ""
        return CONFIG % {
            "user": user, "host": self.address[0], "port": self.address[1],
            "upstreams": "\n".join(UPSTREAM % vars(lane) for lane in lanes),
            "locations": "\n".join(LOCATION % vars(lane) for lane in lanes),
        }

    def serving(self):
        assert self.process.poll() is None, "nginx ended: %s" % self.log
        return [p for p in procs.children(self.process.pid) if p.title.startswith("nginx: worker")]

    @property
    def log(self):
        """What nginx has to say about its start and about errors."""
        return "".join(path.read_text(errors="replace") for path in (self.dir / "stderr.log", self.dir / "error.log") if path.exists())

    @property
    def requests(self):
        """The access log, whole lines only: what nginx answered so far."""
        return [Line(text) for text in (self.dir / "access.log").read_text().splitlines()]

    def complaints(self):
        """The lines of the error log that are about a server behind."""
        return [line for line in self.log.splitlines() if "[error]" in line or "[alert]" in line or "[crit]" in line]

    def wire(self, timeout=15.0):
        return Wire(self.address, timeout)

    def stop(self):
        """A graceful end; the folder stays when there was none."""
        procs.finish(self.process, signal.SIGTERM, self.dir, lambda: self.log, timeout=10)

    def kill(self):
        procs.finish_off(self.process)
