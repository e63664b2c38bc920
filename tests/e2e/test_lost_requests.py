"""A request that takes its worker along: that one is lost, the log says which it was, and everybody else is served."""
import pytest

from wire import once

pytestmark = pytest.mark.gosrv_only("Gunicorn stops for os._exit(3) and does not say which request it was")


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared("crashing", "-w", "2", balance=False)


@pytest.mark.parametrize("way", ["os_exit?0", "os_exit?1", "os_exit?3", "os_exit?4", "segfault?why", "sigkill?now"])
def test_one_request_is_lost_and_named(server, way):
    pids = server.wait_workers(2)
    before = len(server.log)
    assert once(server.address, b"GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % way.encode()) == b""
    for _ in range(20):
        assert server.get("/").status_code == 200
    server.wait_log("Booting worker", count=server.log[:before].count("Booting worker") + 1)
    assert len(set(server.wait_workers(2)) & set(pids)) == 1
    said = server.log[before:]
    assert "/" + way.split("?")[0] in said, said
    if way.startswith("segfault"):
        assert "Fatal Python error: Segmentation fault" in said
        assert 'crashing.py", line' in said and "in fall_over" in said
