package server

import (
	"fmt"
	"math"
	"os"
	"time"

	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/watchdog"
)

const (
	never = int64(math.MaxInt64)
	// throwAgain is when, in ns, a greenlet that has swallowed its end is told again.
	throwAgain = 1e9
	// lastBreath is how long before the end of a drain, in ns, what still runs is told to end: Gunicorn's.
	lastBreath = 1e9
	// hubPokes is how often in --timeout Python's loop is made to come round.
	hubPokes = 4
)

// timedCalls are the requests that may be late, in the order of their beginnings. The first is shown on the
// scoreboard.
type timedCalls struct {
	first, latest *greenCall
	shown         *greenCall
}

func (t *timedCalls) add(h *hub, g *greenCall) {
	g.limited = true
	if g.older = t.latest; g.older != nil {
		g.older.newer = g
	} else {
		t.first = g
	}
	t.latest = g
	t.show(h)
}

func (t *timedCalls) remove(h *hub, g *greenCall) {
	if !g.limited {
		return
	}
	g.limited = false
	if g.older != nil {
		g.older.newer = g.newer
	} else {
		t.first = g.newer
	}
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		t.latest = g.older
	}
	g.older, g.newer = nil, nil
	t.show(h)
}

// show puts the oldest request on the scoreboard.
func (t *timedCalls) show(h *hub) {
	if t.shown == t.first {
		return
	}
	t.shown = t.first
	if t.first == nil {
		h.l.score.End()
		return
	}
	r, head := t.first.request()
	h.l.score.Begin(t.first.Started, r.Method.Of(head), r.Path.Of(head), t.first.c.client.Peer)
}

// late ends what has run for longer than request_timeout, and, when a drain is about to end, all that runs.
func (h *hub) late() {
	w := h.l
	if limit := int64(w.set.Request); limit > 0 {
		for g := h.timed.first; g != nil && w.now-g.Started >= limit; g = g.newer {
			if g.thrown == 0 {
				h.reportLate(g)
			}
			h.throw(g)
		}
	}
	if at := h.lastCall(); w.now >= at {
		h.exits = true
		for _, g := range h.calls {
			if g.c != nil {
				h.throw(g)
			}
		}
	}
}

// throw ends a request, once a second if it does not end.
func (h *hub) throw(g *greenCall) {
	if g.thrown != 0 && h.l.now-g.thrown < throwAgain {
		return
	}
	if g.thrown == 0 {
		h.refuseLate(g)
	} else {
		h.throws.put(g)
	}
	g.thrown = h.l.now
}

// lastCall is when all that runs is to end, CLOCK_MONOTONIC ns: a second before a drain does, or at its half.
func (h *hub) lastCall() int64 {
	w := h.l
	if !w.drain.on || w.drain.deadline == 0 {
		return never
	}
	return w.drain.deadline - min(int64(lastBreath), w.graceful.Load()/2)
}

// nextLate is when late has something to do.
func (h *hub) nextLate() int64 {
	w, next := h.l, h.lastCall()
	if next <= w.now && len(h.free) < len(h.calls) {
		next = w.now + throwAgain
	}
	if next <= w.now {
		next = never
	}
	if g := h.timed.first; g != nil && w.set.Request > 0 {
		due := g.Started + int64(w.set.Request)
		if g.thrown != 0 {
			due = g.thrown + throwAgain
		}
		next = min(next, due)
	}
	return next
}

// reportLate says which request is late. Its greenlet's stack follows when it is thrown out.
func (h *hub) reportLate(g *greenCall) {
	w := h.l
	r, head := g.request()
	client := "a unix socket"
	if g.c.client.Peer.IsValid() {
		client = g.c.client.Peer.String()
	}
	what := "answered 504"
	if g.Begun {
		what = "its answer had begun"
	}
	w.log.Criticalf("REQUEST TIMEOUT (pid:%d): %s %s from %s, running for %.1fs; %s", os.Getpid(), errlog.Printable(r.Method.Of(head)),
		errlog.Printable(r.Path.Of(head)), client, time.Duration(w.now-g.Started).Seconds(), what)
}

// startWatch finds a hub that does not come round for --timeout.
func (h *hub) startWatch() {
	w := h.l
	timeout := int64(w.set.Timeout)
	if timeout == 0 {
		return
	}
	h.watch = watchdog.New(watchdog.Limits{Request: timeout, GIL: timeout}, watchdog.Owner{
		Answer: func(int, bool) string { return "" },
		Stuck: func(age float64) string {
			h.stuck.Store(true)
			return fmt.Sprintf("the event loop has not come round for %.1fs: a greenlet does not give way, or waits without it; it holds up %d other requests", age, max(h.running.Load()-1, 0))
		},
		Report: w.reportLate,
		ReportStacks: func(text string) {
			w.log.Criticalf("Python stacks of the worker (pid:%d):\n%s", os.Getpid(), text)
		},
		Drain:    func() { w.order(drainOrder) },
		TimedOut: func() { w.Tell(workerctl.WorkerTimedOut{}) },
		Probe:    w.Probe,
		Stacks:   w.Stacks,
	})
	h.watch.Start([]*watchdog.Thread{&h.s.Watched})
	go func() {
		for range time.Tick(time.Duration(timeout / hubPokes)) {
			h.waker.Wake()
		}
	}()
}
