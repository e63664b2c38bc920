"""Build what is published: run.py starts this with a Python that has requirements.txt installed.

    release.py wheel FOLDER ARCH...    the sdist and a wheel for each of amd64, arm64, checked by auditwheel
    release.py deb FOLDER ARCH...      a Debian package for each
"""
import os
import shutil
import subprocess
import sys
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


def build(folder, *arguments, **variables):
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *arguments, str(HERE)]
    done = subprocess.run(command, env=dict(os.environ, **variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout)


def wheel(folder, arches):
    build(folder, "--sdist")
    print(report(folder / ("gosrv-%s.tar.gz" % hatch_build.version())))
    for arch in arches:
        tag = "manylinux_%s_%s" % (hatch_build.GLIBC.replace(".", "_"), hatch_build.ARCHES[arch])
        path = folder / ("gosrv-%s-py3-none-%s.whl" % (hatch_build.version(), tag))
        build(folder, "--wheel", GOSRV_MANYLINUX="1", GOSRV_GOARCH=arch)
        shown = subprocess.run([sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True)
        # The text is wrapped at some column.
        if ('"%s"' % tag) not in "".join(shown.stdout.split("This constrains")[0].split()):
            sys.exit("auditwheel does not agree with the tag of %s\n%s%s" % (path.name, shown.stdout, shown.stderr))
        print(report(path))


def deb(folder, arches):
    folder.mkdir(parents=True, exist_ok=True)
    for arch in arches:
        path = folder / ("gosrv_%s_%s.deb" % (hatch_build.version(), arch))
        with tempfile.TemporaryDirectory(prefix="gosrv-deb-") as work:
            program = hatch_build.compile_program(Path(work), arch, True)
            root = Path(work) / "root"
            os.umask(0o022)
            for source, target, mode in ((program, "usr/bin/gosrv", 0o755), (HERE / "README.md", "usr/share/doc/gosrv/README.md", 0o644)):
                place = root / target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
                place.chmod(mode)
            (root / "usr/share/doc/gosrv/copyright").write_text(copyright_text())
            (root / "DEBIAN").mkdir()
            (root / "DEBIAN" / "control").write_text(CONTROL.format(
                version=hatch_build.version(), arch=arch, glibc=hatch_build.GLIBC, size=program.stat().st_size // 1024 + 8))
            subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(root), str(path)], check=True, stdout=subprocess.DEVNULL)
        print(report(path))


def report(path):
    return "%s  %d KiB" % (path, path.stat().st_size // 1024)


def main(argv):
    actions = {"wheel": wheel, "deb": deb}
    if len(argv) < 3 or argv[0] not in actions:
        sys.exit(__doc__)
    try:
        hatch_build.check_machine()
        actions[argv[0]](Path(argv[1]).absolute(), argv[2:])
    except hatch_build.BuildError as error:
        sys.exit("gosrv: %s" % error)


if __name__ == "__main__":
    main(sys.argv[1:])
