"""SIGALRM every millisecond from the first request on, while requests allocate: the trap of CPython 3.9 and Go's stacks."""
import signal

state = {"alarms": 0, "on": False}


def on_alarm(signum, frame):
    state["alarms"] += 1


signal.signal(signal.SIGALRM, on_alarm)


def application(environ, start_response):
    if not state["on"]:
        state["on"] = True
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    junk = [{"n": n, "text": "x" * n} for n in range(100)]
    body = b"%d %d" % (state["alarms"], len(junk))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
