"""Build what is published: run.py starts this with a Python that has requirements.txt installed.

    release.py wheel FOLDER TARGET...  the sdist and a wheel for each of amd64, arm64, amd64-musl, arm64-musl, checked by auditwheel
    release.py deb FOLDER ARCH...      a Debian package for each
    release.py tarball FOLDER ARCH...  bin and share, to be unpacked below any prefix

The same commit gives the same bytes: files have the time of the commit, or SOURCE_DATE_EPOCH.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hatch_build
import trees

HERE = Path(__file__).resolve().parent

def build(folder, *arguments, **variables):
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *arguments, str(HERE)]
    done = subprocess.run(command, env=dict(os.environ, **variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout)


def wheel(folder, targets):
    build(folder, "--sdist")
    print(report(folder / ("gosrv-%s.tar.gz" % hatch_build.version())))
    for target in targets:
        arch, _, libc = target.partition("-")
        tag = "%s_%s" % (hatch_build.PLATFORMS[libc or "glibc"], hatch_build.ARCHES[arch])
        path = folder / ("gosrv-%s-py3-none-%s.whl" % (hatch_build.version(), tag))
        build(folder, "--wheel", GOSRV_LIBC=libc or "glibc", GOSRV_GOARCH=arch)
        shown = subprocess.run([sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True)
        # The text is wrapped at some column.
        if ('"%s"' % tag) not in "".join(shown.stdout.split("This constrains")[0].split()):
            sys.exit("auditwheel does not agree with the tag of %s\n%s%s" % (path.name, shown.stdout, shown.stderr))
        print(report(path))


def tree(folder, arches, pack):
    folder.mkdir(parents=True, exist_ok=True)
    shared = trees.manuals()
    for arch in arches:
        with tempfile.TemporaryDirectory(prefix="gosrv-tree-") as work:
            program = hatch_build.compile_program(Path(work), arch, "glibc").read_bytes()
        print(report(pack(folder, arch, program, shared, int(os.environ["SOURCE_DATE_EPOCH"]))))


def deb(folder, arches):
    tree(folder, arches, trees.deb)


def tarball(folder, arches):
    tree(folder, arches, trees.tarball)


def report(path):
    return "%s  %d KiB" % (path, path.stat().st_size // 1024)


def main(argv):
    actions = {"wheel": wheel, "deb": deb, "tarball": tarball}
    if len(argv) < 3 or argv[0] not in actions:
        sys.exit(__doc__)
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(hatch_build.moment()))
    try:
        hatch_build.check_machine()
        actions[argv[0]](Path(argv[1]).absolute(), argv[2:])
    except hatch_build.BuildError as error:
        sys.exit("gosrv: %s" % error)


if __name__ == "__main__":
    main(sys.argv[1:])
