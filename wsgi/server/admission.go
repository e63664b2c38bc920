package server

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
)

// gate says whether new connections are taken. While it is shut what waits in
// the accept queues is the other workers'.
type gate struct {
	shut    bool
	retry   int64 // CLOCK_MONOTONIC ns: open then whatever holds it shut
	engaged int   // connections with a complete request
	most    int   // of those: worker_connections
	refusal refusal
	peer    loop.Peer // of the connection being accepted
}

// engage counts a connection whose request is complete until release or
// consume forgets it.
func (g *gate) engage(c *conn) {
	if !c.engaged {
		c.engaged = true
		g.engaged++
	}
}

func (g *gate) disengage(c *conn) {
	if c.engaged {
		c.engaged = false
		g.engaged--
	}
}

// full tells whether as many connections have a complete request as
// worker_connections allows, or as many are open as max_connections does and
// none of them can make room.
func full(w *eventLoop) bool {
	return w.gate.engaged >= w.gate.most || w.count >= w.most && !w.anyIdle()
}

// shutGate stops accepting until something is free again, for so long at most.
// In a final drain nobody else would serve the queue: it is tried on.
func shutGate(w *eventLoop, most time.Duration) {
	if w.drain.queue {
		return
	}
	w.gate.shut, w.gate.retry = true, w.now+int64(most)
	w.sources.shut()
}

// tryGate accepts again if it is time to.
func tryGate(w *eventLoop) {
	if w.gate.shut && !w.drain.on && !full(w) && w.gate.retry <= w.now {
		openGate(w)
	}
}

// openGate accepts again. A final drain begins with it: nobody else will serve
// the queue.
func openGate(w *eventLoop) {
	if !w.gate.shut {
		return
	}
	w.gate.shut = false
	if err := w.sources.listen(); err != nil {
		w.log.Errorf("Cannot accept connections: %v", err)
	}
}

// gateTime is the moment at which waiting must end for the gate.
func gateTime(w *eventLoop) int64 {
	if !w.gate.shut || w.drain.on || full(w) {
		return math.MaxInt64
	}
	return w.gate.retry
}

// makeRoom closes the connection that has been idle longest; false if none is.
// One whose next request has just come is not idle any more.
func makeRoom(s *appThread) bool {
	w := s.l
	for _, class := range idleClasses {
		for range w.count {
			e := w.timers.Oldest(class)
			if e == nil {
				break
			}
			c := w.at(e.FD)
			if c.phase == serving {
				w.timers.Disarm(e) // armed again when it rests
				continue
			}
			if class == classIdle && (c.In.Len() > 0 || loop.Unread(e.FD) > 0) {
				w.timers.Arm(e, class, w.now)
				continue
			}
			s.Count(metrics.RefusedLoad)
			s.abandon(c)
			return true
		}
	}
	return false
}

// maxAccept bounds the connections taken in one go: those already here come
// first again after that.
const maxAccept = 64

// acceptTime bounds, in ns, how long that may take: a request that came a moment after its connection was accepted would
// wait for all that are accepted behind it.
const acceptTime = 5_000_000

// emptyQueue serves what the queues hold and then stops accepting: in a final
// drain nobody else will. It reports whether this thread still leads.
func emptyQueue(s *appThread) leads {
	w, left := s.l, false
	if takeOffers(s, maxAccept) == handedOver {
		return handedOver
	}
	for _, l := range w.sources.listeners {
		if l.active && accept(s, l, maxAccept) == handedOver {
			return handedOver
		}
		if l.empty {
			w.sources.unlisten(l)
		}
		left = left || l.active
	}
	w.drain.queue = left
	return stillLeads
}

// accept takes connections one at a time and serves each at once if its
// request is there: while the application runs, the rest of the queue is free
// for other workers. It reports whether this thread still leads the loop.
func accept(s *appThread, l *listener, most int) leads {
	w := s.l
	l.empty = false
	began := w.now
	for range most {
		if (!l.active || w.summoned() || w.now-began > acceptTime) && !s.isBackup() {
			return stillLeads
		}
		if full(w) {
			shutGate(w, 0)
			return stillLeads
		}
		fd, e := loop.Accept(l.fd, &w.gate.peer)
		if e != loop.None {
			switch whyNot(e) {
			case nobody:
				l.empty = true
				return stillLeads
			case gone:
				continue
			case starved:
				if makeRoom(s) {
					continue
				}
			case forbidden:
				l.empty = true // for this worker: a drain must not wait for it
			}
			s.ReleaseGIL()
			if w.gate.refusal.due(e, w.now) {
				sayNotAccepted(w.log, l, e)
			}
			shutGate(w, acceptPause)
			return stillLeads
		}
		if w.count >= w.most {
			makeRoom(s)
		}
		s.Count(metrics.Connections)
		if s.pump(w.open(fd, l, w.gate.peer.AddrPort())) == handedOver {
			return handedOver
		}
	}
	return stillLeads
}

const (
	// acceptPause is how long a worker that cannot accept leaves its queues alone: a
	// listener that cannot be served would wake it at once, for ever.
	acceptPause = time.Second
	// refusalPause is how long the same reason is not said again.
	refusalPause = int64(time.Minute)
)

// notAccepted is why accept4 gave no connection.
type notAccepted int

const (
	nobody    notAccepted = iota // the queue is empty, or another worker was quicker
	gone                         // that connection has failed before it was taken: the next one
	starved                      // the machine has no room for it now
	forbidden                    // a filter, a security module: it will be no better next time
)

// whyNot sorts the errors of accept(2). Those of the network are the new connection's own
// (man accept, "Error handling").
func whyNot(e unix.Errno) notAccepted {
	switch e {
	case unix.EAGAIN:
		return nobody
	case unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH:
		return gone
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return starved
	}
	return forbidden
}

// refusal is what was said last about connections that are not accepted.
type refusal struct {
	why   unix.Errno
	again int64 // CLOCK_MONOTONIC ns: not before
}

// due tells whether e is to be said: once in refusalPause.
func (r *refusal) due(e unix.Errno, now int64) bool {
	if e == r.why && now < r.again {
		return false
	}
	r.why, r.again = e, now+refusalPause
	return true
}

// sayNotAccepted logs why connections wait, with what can be done about it.
func sayNotAccepted(log *errlog.Logger, l *listener, e unix.Errno) {
	switch {
	case e == unix.EMFILE:
		log.Errorf("Cannot accept connections at %s: %v: the limit of this process is %d (ulimit -n, LimitNOFILE=). They wait; tried again every second", l.name, e, loop.Descriptors())
	case whyNot(e) == starved:
		log.Errorf("Cannot accept connections at %s: %v. They wait; tried again every second", l.name, e)
	default:
		log.Criticalf("Cannot accept connections at %s: accept4: %v. Nobody is served here; does a seccomp filter or a security module forbid it? Tried again every second", l.name, e)
	}
}

// arrangeCovered obeys what has come of sockets that come and go. The caller leads.
func arrangeCovered(w *eventLoop) {
	for _, m := range w.covers.take() {
		if m.fd < 0 {
			w.sources.uncover(m.listener.ID)
			continue
		}
		like := w.sources.named(m.listener.Name())
		if like == nil || w.drain.on && !w.drain.final {
			loop.Drop(m.fd) // an address of other settings, or this worker is on its way out
			continue
		}
		if l := w.sources.cover(m, like, w.gate.shut); l != nil {
			w.Own(l.fd, true)
			w.drain.queue = w.drain.queue || l.active && w.drain.final
		}
	}
}

// endCovered closes the listeners that are to end, once their queues are served.
// It reports whether this thread still leads.
func endCovered(s *appThread) leads {
	w := s.l
	if s.isBackup() || w.gate.shut && !w.drain.on {
		return stillLeads // the queue is for the main thread, when there is room
	}
	x := &w.sources
	for i := 0; i < len(x.listeners); i++ {
		l := x.listeners[i]
		if !l.ending {
			continue
		}
		if l.active && accept(s, l, maxAccept) == handedOver {
			return handedOver
		}
		if l.active && !l.empty {
			continue // others first
		}
		w.Own(l.fd, false)
		x.drop(i)
		i--
	}
	return stillLeads
}
