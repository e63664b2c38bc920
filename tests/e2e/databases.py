"""Real PostgreSQL and Redis servers for the applications under test, each on a unix socket in a folder of its own."""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import procs
from waiting import wait_for


def postgres_program(name):
    """The path of a program of PostgreSQL; Debian keeps those of the server out of PATH."""
    return next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name), reverse=True)), None) or shutil.which(name)


class Database:
    """One running server; `socket` is the path at which it listens."""

    missing = ""
    signal = signal.SIGTERM

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="gosrv-db-"))
        self.user = self.owner()
        if self.user:
            shutil.chown(self.dir, self.user)
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(self.prepared(), cwd=self.dir, user=self.user, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        try:
            wait_for(self.listens, lambda: "the server's socket\n%s" % self.log, 30)
        except BaseException:
            self.kill()
            raise

    def owner(self):
        """As whom the server runs; None for the user of the tests."""

    def prepared(self):
        """The command, once all is there that it needs."""
        raise NotImplementedError

    @property
    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def listens(self):
        assert self.process.poll() is None, "the server ended: %s" % self.log
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self):
        procs.finish(self.process, self.signal, self.dir, lambda: self.log)

    def kill(self):
        procs.finish_off(self.process)


class Postgres(Database):
    """Trusts whoever can open its socket; `dsn` is what libpq's clients take."""

    missing = "needs PostgreSQL (Debian: postgresql)"
    signal = signal.SIGINT  # do not wait for clients

    @staticmethod
    def program():
        return postgres_program("postgres")

    def owner(self):
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"  # it refuses to run as root

    def prepared(self):
        subprocess.run([postgres_program("initdb"), "-D", str(self.dir / "data"), "-U", "gosrv", "-A", "trust", "-E", "UTF8", "--no-sync"],
                       cwd=self.dir, user=self.user, check=True, capture_output=True)
        return [self.program(), "-D", str(self.dir / "data"), "-k", str(self.dir), "-h", "", "-F"]

    @property
    def socket(self):
        return self.dir / ".s.PGSQL.5432"

    @property
    def dsn(self):
        return "host=%s user=gosrv dbname=postgres" % self.dir

    def ask(self, statement):
        """What psql prints for one statement."""
        done = subprocess.run([postgres_program("psql"), "-h", str(self.dir), "-U", "gosrv", "-d", "postgres", "-tAc", statement],
                              cwd=self.dir, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def create(self, name):
        self.ask("create database " + name)


class Redis(Database):
    """Keeps nothing; `socket` is the address."""

    missing = "needs Redis (Debian: redis-server)"

    @staticmethod
    def program():
        return shutil.which("redis-server")

    def prepared(self):
        return [self.program(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no", "--dir", str(self.dir)]

    @property
    def socket(self):
        return self.dir / "redis.sock"
