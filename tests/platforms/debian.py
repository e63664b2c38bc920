"""Packages and sources of any Debian suite, for any machine, with apt's lists and state in the cache: this machine's own are not touched.

The mirror is the one that this machine's apt uses, so that nothing here names one.
"""
import os
import shutil
import subprocess

import pythons

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Missing(Exception):
    """Why this machine cannot have it."""


def mirror():
    """Where this machine's apt has Debian from."""
    if not shutil.which("apt-get"):
        raise Missing("no apt-get on this machine")
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages", "Origin: Debian"],
                            capture_output=True, text=True).stdout
    sites = [line.split()[0] for line in listed.splitlines() if line.endswith(" main") and "security" not in line]
    if not sites:
        raise Missing("apt knows no mirror of Debian; is this Debian, and has apt-get update been run?")
    return sites[0]


class Suite:
    """One suite of Debian (trixie, sid) for one machine (amd64, arm64)."""

    def __init__(self, name, machine="amd64"):
        self.name, self.machine = name, machine
        self.folder = pythons.CACHE / "debian" / ("%s-%s" % (name, machine))
        self.fresh = False

    def apt(self, *arguments, **options):
        """Run apt-get with this suite's own state; gives its output."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        where = "[signed-by=%s] %s %s main" % (KEYS, mirror(), self.name)
        (self.folder / "sources.list").write_text("deb %s\ndeb-src %s\n" % (where, where))
        settings = {"Dir::State": self.folder, "Dir::State::lists": self.folder / "lists", "Dir::State::status": self.folder / "status",
                    "Dir::Cache": self.folder, "Dir::Cache::archives": self.folder / "archives", "Dir::Etc::sourcelist": self.folder / "sources.list",
                    "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
                    "APT::Architecture": self.machine, "APT::Architectures": self.machine, "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
                    "APT::Install-Recommends": "0", "Acquire::Languages": "none"}
        argv = ["apt-get", "-qq"]
        for key, value in settings.items():
            argv += ["-o", "%s=%s" % (key, value)]
        done = subprocess.run([*argv, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", APT_CONFIG=""), timeout=600, **options)
        if done.returncode != 0:
            raise Missing("apt-get %s for %s: %s" % (arguments[0], self.name, done.stdout.strip()[-600:]))
        return done.stdout

    def update(self):
        if not self.fresh:
            self.apt("update")
            self.fresh = True

    def unpack(self, root, *packages):
        """Those packages and all that they depend on, unpacked into the folder; no script of theirs is run. A folder that has
        them already is left as it is."""
        mark = root / ".packages"
        wanted = " ".join(sorted(packages)) + "\n"
        if mark.exists() and mark.read_text() == wanted:
            return root
        self.update()
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(self.folder / "archives", ignore_errors=True)
        self.apt("install", "--download-only", "--yes", *packages)
        root.mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):  # as a merged /usr has them; else a package that ships one of them makes it a folder
            (root / "usr" / name).mkdir(parents=True)
            (root / name).symlink_to("usr/" + name)
        for package in sorted((self.folder / "archives").glob("*.deb")):
            tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
            # A folder in a package does not take the place of a link to one.
            subprocess.run(["tar", "-xf", "-", "--keep-directory-symlink", "-C", str(root)], stdin=tar.stdout, check=True)
            if tar.wait() != 0:
                raise Missing("%s cannot be unpacked" % package.name)
        shutil.rmtree(self.folder / "archives", ignore_errors=True)
        mark.write_text(wanted)
        return root

    def source(self, package, folder):
        """Debian's copy of what the authors published, unpacked into the folder, without Debian's changes."""
        if (folder / ".unpacked").exists():
            return folder
        self.update()
        downloads = self.folder / "sources"
        downloads.mkdir(parents=True, exist_ok=True)
        try:
            self.apt("source", "--download-only", package, cwd=downloads)
        except Missing:
            # Debian's changes may be newer than this list of them; they are not wanted.
            if not list(downloads.glob(package + "_*.orig.tar.*")):
                raise
        archive = next(path for path in sorted(downloads.glob(package + "_*.orig.tar.*")) if path.suffix != ".asc")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(archive), "--strip-components=1", "--no-same-owner", "-C", str(folder)], check=True)
        (folder / ".unpacked").touch()
        return folder
