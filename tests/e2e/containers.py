"""Images and containers by podman, in a store of the tests' own."""
import ctypes
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from waiting import wait_for

CLONE_NEWNET = 0x40000000
# crun takes a machine whose version 2 of control groups has no controller for one that it cannot serve, unless it does not see it.
UNIFIED = "/sys/fs/cgroup/unified"
WITHOUT_UNIFIED = ["unshare", "--mount", "sh", "-c", 'umount %s; exec "$@"' % UNIFIED, "sh"]


def missing():
    """Why this machine runs no containers, or None."""
    if os.geteuid() != 0:
        return "root only: rootless containers want more of the machine"
    for program in ("podman", "crun", "unshare"):
        if not shutil.which(program):
            return "no %s on this machine" % program
    return None


class Podman:
    def __init__(self):
        self.state = Path(tempfile.mkdtemp(prefix="gosrv-"))  # a short path: sockets lie below it
        most = min(4096, *(hard for hard in (resource.getrlimit(number)[1] for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)) if hard > 0))
        # No more than this machine grants: podman asks for its own idea of enough otherwise, and is refused.
        self.limits = [arg for name in ("nofile", "nproc") for arg in ("--ulimit", "%s=%d:%d" % (name, most, most))]
        (self.state / "containers.conf").write_text('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n')
        self.command = WITHOUT_UNIFIED if os.path.ismount(UNIFIED) else []
        self.command = [*self.command, "podman", "--root", str(self.state / "store"), "--runroot", str(self.state / "run")]
        self.containers = []

    def __call__(self, *args, check=True, timeout=300):
        env = dict(os.environ, CONTAINERS_CONF=str(self.state / "containers.conf"))
        done = subprocess.run([*self.command, *map(str, args)], env=env, cwd=self.state, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)
        assert done.returncode == 0 or not check, "podman %s: %s%s" % (args[0], done.stdout[-3000:], done.stderr[-3000:])
        return done

    def imports(self, root, name, *changes):
        """A folder as an image of that name; changes are instructions of a Dockerfile."""
        archive = self.state / "root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        self("import", *[arg for change in changes for arg in ("--change", change)], archive, name)
        archive.unlink()

    def build(self, folder, tag, wheels):
        """The folder's Dockerfile, with nothing from outside but the wheels."""
        self("build", "--network", "none", "--pull-never", "--format", "docker", *self.limits, "--volume", "%s:/wheels:ro" % wheels,
             "--tag", tag, folder, timeout=600)

    def run(self, image, *options, command=()):
        container = Container(self, image, options, command)
        self.containers.append(container)
        return container

    def close(self):
        for container in self.containers:
            self("rm", "--force", "--time", "0", container.id, check=False)
        self("rmi", "--all", "--force", check=False)
        subprocess.run(["umount", str(self.state / "store" / "overlay")], capture_output=True)
        shutil.rmtree(self.state, ignore_errors=True)


class Container:
    """One that runs, with a network of its own that has nothing but itself in it."""

    def __init__(self, podman, image, options, command):
        self.podman = podman
        self.id = podman("run", "--detach", "--network", "none", *podman.limits, *options, image, *command).stdout.strip()
        self.pid = int(self.inspect("{{.State.Pid}}"))

    def inspect(self, what):
        return self.podman("inspect", "--format", what, self.id).stdout.strip()

    @property
    def log(self):
        said = self.podman("logs", self.id)
        return said.stdout + said.stderr

    def wait_log(self, text, timeout=60):
        wait_for(lambda: text in self.log, lambda: "%r in %s" % (text, self.log), timeout)

    def path(self, path):
        """A path of the container's, as this machine reaches it."""
        return Path("/proc/%d/root%s" % (self.pid, path))

    def signal(self, name):
        self.podman("kill", "--signal", name, self.id)

    def wait_end(self):
        return int(self.podman("wait", self.id, timeout=60).stdout)

    def connect(self, port=8000):
        """A connection from within the container's network."""
        made = []

        def enter():
            with open("/proc/%d/ns/net" % self.pid) as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                made.append(socket.create_connection(("127.0.0.1", port), 30))
            except OSError as why:
                made.append(why)

        thread = threading.Thread(target=enter)  # it stays in that network, and a socket with it
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def get(self, path="/facts", port=8000):
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.sock = self.connect(port)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def facts(self):
        status, text = self.get()
        assert status == 200, text
        return json.loads(text)

    def ready(self):
        """Wait until it answers the probe."""
        def ask():
            try:
                return self.get("/healthz")[0] == 200
            except OSError:
                return False

        wait_for(ask, lambda: "an answer; %s" % self.log, 60)
        return self
