"""Packages that are a tree of files: the Debian package and the tarball. The same sources give the same bytes."""
import gzip
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import hatch_build

HERE = Path(__file__).resolve().parent
CONTROL = """\
Package: gosrv
Version: {version}
Architecture: {arch}
Maintainer: gosrv contributors
Depends: libc6 (>= {glibc})
Recommends: python3
Section: httpd
Priority: optional
Installed-Size: {size}
Description: drop-in replacement for Gunicorn
 One Go binary with CPython embedded that serves WSGI applications (Django,
 Flask, any PEP 3333 callable) with Gunicorn's options, configuration file,
 signals and logs. It serves by the python3 on PATH, or by that of the virtual
 environment it is called from.
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: gosrv

Files: *
Copyright: 2026 gosrv contributors
License: MIT

License: MIT
{own}
Comment: Linked into /usr/bin/gosrv is the code of others; their licences, in full:
{others}
"""


def copyright_text():
    """The file `copyright` of the package: paragraphs of Debian's kind, with a point where a line would be empty."""
    def indented(text):
        return "".join(" %s\n" % (line.rstrip() or ".") for line in text.splitlines())

    others = "".join(" .\n == %s ==\n .\n%s" % (path.stem.replace("_", "/"), indented(path.read_text())) for path in sorted((HERE / "licenses").iterdir()))
    own = indented((HERE / "LICENSE").read_text().partition("\n\n")[2])
    return COPYRIGHT.format(own=own.rstrip("\n"), others=others.rstrip("\n"))


def manuals():
    """Manual page and completions by their place below a prefix, as this machine's own build prints them."""
    with tempfile.TemporaryDirectory(prefix="gosrv-manuals-") as work:
        program = Path(work) / "gosrv"
        hatch_build.go_build(hatch_build.ARCHES_BY_MACHINE[hatch_build.platform.machine()], False, program, "./cmd/gosrv")

        def printed(*words):
            return subprocess.run([str(program), *words], check=True, stdout=subprocess.PIPE).stdout

        return {
            "share/man/man1/gosrv.1.gz": gzip.compress(printed("help", "man"), mtime=0),
            "share/bash-completion/completions/gosrv": printed("completion", "bash"),
            "share/fish/vendor_completions.d/gosrv.fish": printed("completion", "fish"),
            "share/zsh/vendor-completions/_gosrv": printed("completion", "zsh"),
        }


def packed(target, root, files, moment):
    """A tar file of files, their content by their path, that depends on nothing else; gives the path."""
    with open(target, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = {str(parent) for name in files for parent in (Path(root) / name).parents if str(parent) != "."}
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, moment
            tar.addfile(entry)
        for name in sorted(files):
            entry = tarfile.TarInfo("%s/%s" % (root, name))
            entry.size, entry.mode, entry.mtime = len(files[name]), 0o755 if "bin/" in name else 0o644, moment
            tar.addfile(entry, io.BytesIO(files[name]))
    return target


def tarball(folder, arch, program, shared, moment):
    """bin and share, to be unpacked below any prefix, with the licences on top."""
    name = "gosrv-%s-linux-%s" % (hatch_build.version(), arch)
    files = {"bin/gosrv": program, "README.md": (HERE / "README.md").read_bytes(), "LICENSE": (HERE / "LICENSE").read_bytes(), **shared}
    files.update({"licenses/" + path.name: path.read_bytes() for path in (HERE / "licenses").iterdir()})
    files["share/zsh/site-functions/_gosrv"] = files.pop("share/zsh/vendor-completions/_gosrv")  # the former is the local administrator's in Debian
    return packed(folder / (name + ".tar.gz"), name, files, moment)


def deb(folder, arch, program, shared, moment):
    path = folder / ("gosrv_%s_%s.deb" % (hatch_build.version(), arch))
    files = {"usr/bin/gosrv": program, "usr/share/doc/gosrv/README.md": (HERE / "README.md").read_bytes(), "usr/share/doc/gosrv/copyright": copyright_text().encode()}
    files.update({"usr/" + name: content for name, content in shared.items()})
    files["DEBIAN/control"] = CONTROL.format(
        version=hatch_build.version(), arch=arch, glibc=hatch_build.GLIBC, size=sum(map(len, files.values())) // 1024 + 8).encode()
    with tempfile.TemporaryDirectory(prefix="gosrv-deb-") as work:
        root = Path(work) / "root"
        root.mkdir(mode=0o755)
        for name, content in sorted(files.items()):
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if "bin/" in name else 0o644)
        for place in [root, *root.rglob("*")]:
            if place.is_dir():
                place.chmod(0o755)
        # The moment is in the environment: dpkg-deb gives no file a later time, and the archive's members that one.
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(path)], check=True, stdout=subprocess.DEVNULL)
    return path
