"""close() is called for an answer that the end of the server cuts."""
import signal

import pytest

from test_close import Closes, stalled


@pytest.mark.gosrv_only("a client that reads nothing holds Gunicorn's worker")
@pytest.mark.parametrize("args", [(), ("--threads", "2")], ids=["sync", "threads"])
def test_an_answer_cut_by_the_stop(start, args):
    closes = Closes(start("closing", "--graceful-timeout", "1", *args))
    wire = stalled(closes)
    closes.server.send_signal(signal.SIGTERM)
    assert closes.server.wait_end() == 0
    assert closes.server.log.count("CLOSED " + closes.names[-1]) == 1
    wire.sock.close()
