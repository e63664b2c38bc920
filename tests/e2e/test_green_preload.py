"""When gevent and eventlet patch, and what an import before the fork may have made: hubs, greenlets, threads, pools, TLS."""
import pytest

import harness
from waiting import wait_for

pytestmark = [pytest.mark.green, pytest.mark.matrix]
PLACES = pytest.mark.parametrize("args", [(), ("--preload",)], ids=["worker", "preload"])
GEVENTS = pytest.mark.gevent_only("it is about gevent's own modules")
PATCHED = {"gevent": {"socket": "gevent", "sleep": "gevent", "greenlet": "gevent"},
           "eventlet": {"socket": "eventlet", "sleep": "eventlet", "greenlet": "eventlet"}}


def facts(server, **more):
    found = server.get("/facts").json()
    expected = dict(PATCHED[harness.worker_class()], linkable=True, main=False, multithread=True, seen=None, **more)
    if server.kind == "gunicorn":
        expected.pop("greenlet")  # a raw one
        expected.pop("linkable")
    assert {key: found[key] for key in expected} == expected
    return found


@pytest.mark.parametrize("args", [(), pytest.param(("--preload",), marks=pytest.mark.gosrv_only("Gunicorn patches after the import"))],
                         ids=["worker", "preload"])
def test_what_a_request_finds(start, args):
    """Patched modules, a greenlet of the library's own kind, and nothing that the request before has left in it."""
    server = start("green_import", *args, "--keep-alive", "60")
    with server.wire() as wire:
        first, second = wire.get("/facts"), wire.get("/facts")
        assert first.status == second.status == 200
        assert b'"seen": null' in first.body
        assert b'"seen": null' in second.body or server.kind == "gunicorn"  # its greenlet is the connection's
    facts(server, **{"made here": not args})


@PLACES
@pytest.mark.parametrize("place", ["application", "config"])
@GEVENTS
def test_an_application_or_a_config_that_patches_too(start, tmp_path, place, args):
    """Nothing is patched twice, whoever comes first."""
    conf = tmp_path / "conf.py"
    conf.write_text("from gevent import monkey\nmonkey.patch_all()\n" if place == "config" else "")
    server = start("-c", conf, "green_import", *args, env={"PATCH": "1" if place == "application" else None})
    facts(server)
    assert set(server.get("/patched").json().values()) == {True}
    assert server.get("/context").json() == "SSLContext"
    assert "MonkeyPatchWarning" not in server.log or server.kind == "gunicorn"


@PLACES
@GEVENTS
def test_tls_that_an_import_has_brought(start, args):
    """requests, imported by the application: patched before it, so that urllib3's context is no endless recursion."""
    if args and harness.kind() == "gunicorn":
        pytest.skip("Gunicorn patches after the import (its issues 1566, 2515, 2796)")
    server = start("green_import", *args, env={"REQUESTS": "1"})
    assert server.get("/context").json() == "SSLContext"
    assert "MonkeyPatchWarning" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
@GEVENTS
def test_a_hub_and_what_ran_in_it_before_the_fork(start, workers):
    """The greenlet and the green thread of the import go on in each worker, and names are looked up."""
    if harness.kind() == "gunicorn":
        env = {"BUSY": "1", "PATCH": "1"}
    else:
        env = {"BUSY": "1"}
    server = start("green_import", "--preload", "-w", workers, env=env)
    pids = server.wait_workers(int(workers))
    seen = {}

    def all_tick():
        pid, ticks = server.get("/").json(), server.get("/ticks").json()
        if min(ticks.values()) > 2:
            seen[pid] = ticks
        return len(seen) == len(pids) or server.kind == "gunicorn" and seen

    wait_for(all_tick, lambda: "ticks in each of %s, but %s" % (pids, seen), 60)
    for _ in range(10):
        assert server.get("/dns").json() == ["127.0.0.1"]
    facts(server, **{"made here": False})


@pytest.mark.gosrv_only("Gunicorn has no such copies")
def test_preload_names_no_greenlet_as_a_leftover(start):
    """What goes on in the workers is nobody's loss."""
    server = start("green_import", "--preload", env={"BUSY": "1"} if harness.worker_class() == "gevent" else {})
    assert server.get("/").status_code == 200
    assert "Traceback" not in server.log


@pytest.mark.parametrize("loop", ["libev-cext", "libev-cffi", "libuv-cffi"])
@GEVENTS
def test_each_loop_of_gevents(start, loop):
    server = start("green_import", env={"GEVENT_LOOP": loop})
    assert server.get("/loop").json() == {"libev-cext": "gevent.libev.corecext", "libev-cffi": "gevent.libev.corecffi",
                                          "libuv-cffi": "gevent.libuv.loop"}[loop]
    for _ in range(20):
        facts(server)
    assert server.get("/dns").json() == ["127.0.0.1"]


@pytest.mark.parametrize("backend", ["epoll", "poll", "select"])
@GEVENTS
def test_each_backend_of_libevs(start, backend):
    server = start("green_import", env={"GEVENT_LOOP": "libev-cext", "GEVENT_BACKEND": backend})
    for _ in range(20):
        facts(server)


@pytest.mark.skipif(harness.worker_class() != "eventlet", reason="the hubs are eventlet's")
@pytest.mark.parametrize("hub", ["epolls", "poll", "selects", "asyncio"])
def test_each_hub_of_eventlets(start, hub):
    server = start("green_import", env={"EVENTLET_HUB": hub})
    assert server.get("/hub").json() == "eventlet.hubs." + hub
    for _ in range(20):
        facts(server)
