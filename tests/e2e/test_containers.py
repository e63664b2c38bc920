"""The shipped Dockerfiles are built, and their images run as the pages say: `make containers`."""
import os
import re
import shutil

import pytest

import containers
import harness
import pages
from waiting import wait_for

ROOTS = {name: os.environ.get("GOSRV_IMAGE_" + name.upper()) for name in ("slim", "distroless", "alpine", "wheels")}
pytestmark = [
    pytest.mark.containers,
    pytest.mark.gosrv_only("the images are gosrv's"),
    pytest.mark.not_green("images are what it is about"),
    pytest.mark.skipif(not all(ROOTS.values()), reason="no base images: make containers"),
    pytest.mark.skipif(containers.missing() is not None, reason=str(containers.missing())),
]
EXAMPLES = harness.ROOT / "cmd" / "gosrv" / "examples"
# What docs/deploy/docker.md tells people to say.
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def block(page):
    """All that a page says of a Dockerfile."""
    return "".join(text for language, text in pages.blocks((pages.DOCS / "deploy" / page).read_text()) if language == "dockerfile")


FILES = {
    "slim": lambda: (EXAMPLES / "Dockerfile").read_text(),
    "page": lambda: block("docker.md"),
    "distroless": lambda: (EXAMPLES / "Dockerfile.distroless").read_text(),
    "alpine": lambda: block("alpine.md"),
}


@pytest.fixture(scope="module")
def podman():
    """An empty store with the base images that the Dockerfiles name, made of packages."""
    made = containers.Podman()
    yield made
    made.close()


def base(podman, name):
    """The image of that name: Alpine's, one without a shell, or Debian's."""
    if podman("image", "exists", name, check=False).returncode == 0:
        return
    if "distroless" in name:
        podman.imports(ROOTS["distroless"], name, 'ENTRYPOINT ["/usr/bin/python3"]', "USER 65532")
    else:
        podman.imports(ROOTS["alpine" if "alpine" in name else "slim"], name, "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 'CMD ["python3"]')


@pytest.fixture(scope="module", params=FILES)
def image(request, podman, tmp_path_factory):
    """An image of a project, by one of the Dockerfiles."""
    folder, text = tmp_path_factory.mktemp(request.param), FILES[request.param]()
    for name in re.findall(r"^FROM (\S+)", text, re.M):
        base(podman, name)
    (folder / "Dockerfile").write_text(text)
    (folder / "requirements.txt").write_text("flask==3.0.3\n")
    (folder / "myproject").mkdir()
    (folder / "myproject" / "__init__.py").touch()
    shutil.copy(harness.APPS / "in_container.py", folder / "myproject" / "wsgi.py")
    podman.build(folder, "localhost/" + request.param, ROOTS["wheels"])
    return "localhost/" + request.param


def test_as_the_page_says(podman, image):
    """No root, no capability, no privilege to gain, a root that nobody may write, podman's usual filter of system calls."""
    container = podman.run(image, *HARDENED).ready()
    facts = container.facts()
    assert facts["uid"] in (10001, 65532)
    assert int(facts["capabilities"], 16) == 0 and facts["no_new_privileges"] == "1" and facts["seccomp"] == "2"
    assert facts["writes"] == {"/app": False, "/tmp": True}
    assert "Listening at: http://0.0.0.0:8000 (1)" in container.log, "gosrv is not process 1"
    wait_for(lambda: re.search(r'"GET /facts HTTP/1.1" 200', container.log), lambda: "the access log in %s" % container.log)
    assert "WARNING" not in container.log and "ERROR" not in container.log


@pytest.mark.parametrize("image", ["page"], indirect=True)
def test_the_probe_of_the_page(podman, image):
    container = podman.run(image, *HARDENED, "--health-interval", "disable").ready()  # a timer would be systemd's
    asked = podman("healthcheck", "run", container.id, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr + container.log
    wait_for(lambda: '"GET /healthz HTTP/1.1" 200 2 "-" "Python-urllib' in container.log, lambda: container.log)


def test_any_user(podman, image):
    container = podman.run(image, *HARDENED, "--user", "2000001:0").ready()
    assert container.facts()["uid"] == 2000001


def test_what_is_left_behind_is_collected(podman, image):
    container = podman.run(image, *HARDENED).ready()
    for _ in range(20):
        assert container.get("/orphan")[1] == "left"
    wait_for(lambda: container.facts()["zombies"] == 0, "no zombies")


def test_term_waits_for_requests(podman, image):
    container = podman.run(image, *HARDENED).ready()
    with container.connect() as client:
        client.settimeout(30)
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
        said = b""
        while b"begun" not in said:
            said += client.recv(4096)
        container.signal("TERM")
        container.wait_log("Handling signal: term")
        container.path("/tmp/gate").touch()
        while b", ended" not in said:
            more = client.recv(4096)
            assert more, said
            said += more
    assert container.wait_end() == 0
    assert "Shutting down: Master" in container.log


def test_hup_loads_anew(podman, image):
    container = podman.run(image, *HARDENED).ready()
    before = container.facts()["pid"]
    container.signal("HUP")
    wait_for(lambda: container.facts()["pid"] != before, lambda: "another worker; %s" % container.log, 30)


def test_a_worker_that_takes_too_much_memory_is_named(podman, image):
    container = podman.run(image, *HARDENED, "--memory", "200m", "--memory-swap", "200m", "--env", "WEB_CONCURRENCY=2").ready()
    with container.connect() as client:
        client.sendall(b"GET /eat HTTP/1.1\r\nHost: test\r\n\r\n")
        client.settimeout(60)
        while client.recv(4096):  # it ends with the worker
            pass
    container.wait_log("Out of memory: killed by the kernel (cgroup ")
    assert re.search(r"oom_kill 0 -> 1\)", container.log), container.log
    assert container.ready().get()[0] == 200
    assert container.inspect("{{.State.Running}}") == "true"


@pytest.mark.parametrize("quota", ["1", "0.5"])
def test_workers_follow_the_quota(podman, image, quota):
    container = podman.run(image, *HARDENED, "--cpus", quota, "--env", "WEB_CONCURRENCY=auto").ready()
    wait_for(lambda: container.log.count("Booting worker") == 3, lambda: "3 workers in %s" % container.log)
