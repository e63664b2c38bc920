"""Options, markers and the fixtures that start servers."""
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import databases  # noqa: E402
import harness  # noqa: E402
import sites  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--server", default="gosrv", choices=["gosrv", "gunicorn"], help="which server the tests start")
    parser.addoption("--worker-class", default="", choices=["", "gevent", "eventlet"], help="give every server this class; without it, the tests name theirs")
    parser.addoption("--transport", default="plain", choices=["plain", "tls"], help="how the tests talk to every server: in clear text, or by TLS")
    parser.addoption("--soak-share", default="1", help="how much of their full length tests marked soak take: 0.05 for a twentieth")


def pytest_configure(config):
    os.environ["TEST_SERVER"] = config.getoption("--server")
    os.environ["TEST_WORKER_CLASS"] = config.getoption("--worker-class")
    os.environ["TEST_TRANSPORT"] = config.getoption("--transport")
    os.environ["SOAK_SHARE"] = config.getoption("--soak-share")
    if config.getoption("--transport") == "tls":
        import authority

        # For curl and every client that looks here: it trusts what signs the servers' certificates.
        for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            os.environ[name] = str(authority.ca_file())
    for line in (
        "gosrv_only(why): holds for gosrv and not for Gunicorn, for the reason given",
        "green: about the worker classes gevent and eventlet; run with --worker-class",
        "gevent_only(why): holds for gevent and not for eventlet, for the reason given",
        "not_green(why): does not hold with these classes, or has nothing to do with them, for the reason given",
        "plain_only(why): does not hold over TLS, or has nothing to do with it, for the reason given",
        "matrix: run on every CPython the machine has, not only on the default one",
        "debugpy: needs a debug build of CPython (make debugpy)",
        "tools: needs requirements-tools.txt (make tools)",
        "musl: about another C library (make musl)",
        "freethreaded: needs a CPython built without the GIL (make freethreaded)",
        "containers: builds and runs images (make containers)",
        "soak: runs for minutes (make soak)",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config, items):
    """Leave out, rather than skip, what the chosen server, worker class or kind of run does not have."""
    asked = config.getoption("-m") or ""
    away = [marker for marker in ("soak", "debugpy", "tools", "musl", "freethreaded", "containers") if marker not in asked]
    if config.getoption("--server") == "gunicorn":
        away.append("gosrv_only")
    if config.getoption("--transport") != "plain":
        away.append("plain_only")
    green = config.getoption("--worker-class")
    away += {"": ["green"], "gevent": ["not_green"], "eventlet": ["not_green", "gevent_only"]}[green]
    dropped = [item for item in items if any(item.get_closest_marker(marker) for marker in away) or green and _has_threads(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _has_threads(item):
    """One of several runs of a test, that for workers with several threads."""
    case = getattr(item, "callspec", None)
    if case is None:
        return False
    return "threads" in case.id.split("-") or str(case.params.get("threads", 1)) != "1" or any(
        harness.threads(value) > 1 for value in case.params.values() if isinstance(value, (list, tuple)))


def _starter():
    servers = []

    def start(*args, **kw):
        server = harness.Server(*args, **kw)
        servers.append(server)
        return server

    return start, servers


def _stop_all(servers):
    failures = []
    for server in reversed(servers):
        try:
            server.stop()
        except BaseException as failure:  # the other servers must be stopped too
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.failed = report.failed
    return report


@pytest.fixture
def start(request):
    """Start servers that are stopped, and looked at, after this test."""
    starter, servers = _starter()
    yield starter
    if getattr(request.node, "failed", False):
        for server in servers:
            if not server.stopped:
                server.abandon()
    else:
        _stop_all(servers)


@pytest.fixture(scope="module")
def start_shared():
    """Start servers that the tests of one module share."""
    starter, servers = _starter()
    yield starter
    _stop_all(servers)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL for the tests of this process."""
    yield from _database(databases.Postgres)


@pytest.fixture(scope="session")
def redis():
    """A Redis for the tests of this process."""
    yield from _database(databases.Redis)


def _database(kind):
    if not kind.program():
        pytest.skip(kind.missing)
    database = kind()
    yield database
    database.stop()


def pytest_sessionfinish():
    sites.clean()
