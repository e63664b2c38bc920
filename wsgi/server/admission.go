package server

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/loop"
)

// gate says whether new connections are taken. While it is shut what waits in
// the accept queues is the other workers'.
type gate struct {
	shut    bool
	retry   int64 // CLOCK_MONOTONIC ns: open then whatever holds it shut
	engaged int   // connections with a complete request
	refusal refusal
}

// idleClasses are the time-outs of connections that may be closed to make room,
// the most dispensable first.
var idleClasses = [...]uint8{classIdle, classLinger, classHeader}

// admission decides when connections are accepted, and accepts them.
type admission struct {
	l         *eventLoop
	listeners []*listener
	gate      gate
	ending    int       // listeners that are to be closed
	peer      loop.Peer // of the connection being accepted
}

// full tells whether as many connections have a complete request as
// worker_connections allows, or as many are open as max_connections does and
// none of them can make room.
func (a *admission) full() bool {
	w := a.l
	if w.gate.engaged >= w.set.MaxEngaged {
		return true
	}
	if w.count < w.set.MaxConns {
		return false
	}
	for _, class := range idleClasses {
		if w.timers.Oldest(class) != nil {
			return false
		}
	}
	return true
}

// shutGate stops accepting until something is free again, for so long at most.
// In a final drain nobody else would serve the queue: it is tried on.
func (a *admission) shutGate(most time.Duration) {
	w := a.l
	if w.drain.queue {
		return
	}
	w.gate.shut, w.gate.retry = true, w.now+int64(most)
	w.handover.shutExchange()
	for _, l := range w.listeners {
		w.unlisten(l)
	}
}

// tryGate accepts again if it is time to.
func (a *admission) tryGate() {
	w := a.l
	g := &w.gate
	if g.shut && !w.drain.on && !w.full() && g.retry <= w.now {
		w.openGate()
	}
}

// openGate accepts again. A final drain begins with it: nobody else will serve
// the queue.
func (a *admission) openGate() {
	w := a.l
	if !w.gate.shut {
		return
	}
	w.gate.shut = false
	if err := w.listen(); err != nil {
		w.log.Errorf("Cannot accept connections: %v", err)
	}
}

// gateTime is the moment at which waiting must end for the gate.
func (a *admission) gateTime() int64 {
	w := a.l
	if !w.gate.shut || w.drain.on || w.full() {
		return math.MaxInt64
	}
	return w.gate.retry
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

// makeRoom closes the connection that has been idle longest; false if none is.
// One whose next request has just come is not idle any more.
func (a *admission) makeRoom(s *appThread) bool {
	w := a.l
	for _, class := range idleClasses {
		for range w.count {
			e := w.timers.Oldest(class)
			if e == nil {
				break
			}
			c := w.conns[e.FD]
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

// listener is one listening socket. The descriptor stays open until the worker
// exits, so that what is queued belongs to the workers that go on.
type listener struct {
	fd     int
	id     int // the master's number for the socket
	unix   bool
	secure bool          // TLS is spoken
	name   string        // its address as users write it
	number call.Listener // of the caller's
	active bool          // in the epoll set
	parked bool          // it was, before the backup led
	empty  bool          // the last accept found nothing
	ending bool          // to be closed when it is empty
}

// listen starts accepting. EPOLLEXCLUSIVE: one waiting worker is woken for a
// connection, not all of them.
func (a *admission) listen() error {
	w := a.l
	w.handover.openExchange()
	for _, l := range w.listeners {
		if l.active {
			continue
		}
		// Whoever made the socket may have left it blocking, and another worker
		// may be quicker than this one.
		if err := unix.SetNonblock(l.fd, true); err != nil {
			return err
		}
		if err := l.begin(w.set.Backlog); err != nil {
			return err
		}
		if !l.unix {
			loop.NoDelay(l.fd) // accepted sockets inherit it
		}
		if e := w.poll.Add(l.fd, special, loop.ReadShared); e != loop.None {
			return e
		}
		l.active = true
	}
	return nil
}

// lookAgain makes the kernel say anew which queues hold something, that of the
// offers included. A connection wakes one worker only, and that one may have left,
// or died, without taking it.
func (a *admission) lookAgain() {
	w := a.l
	for _, l := range w.listeners {
		if l.active {
			w.poll.Remove(l.fd)
			w.reopen(l.fd, loop.ReadShared)
		}
	}
	if x := &w.handover.exchange; x.active {
		w.poll.Remove(x.fd())
		w.reopen(x.fd(), loop.ReadShared)
	}
}

// unlisten leaves the queue to the other workers.
func (a *admission) unlisten(l *listener) {
	w := a.l
	if l.active {
		w.poll.Remove(l.fd)
		l.active = false
	}
}

// emptyQueue serves what the queues hold and then stops accepting: in a final
// drain nobody else will. It reports whether this thread still leads.
func (a *admission) emptyQueue(s *appThread) leads {
	w, left := s.l, false
	if s.l.handover.takeOffers(s, maxAccept) == handedOver {
		return handedOver
	}
	for _, l := range w.listeners {
		if l.active && s.l.accept(s, l, maxAccept) == handedOver {
			return handedOver
		}
		if l.empty {
			w.unlisten(l)
		}
		left = left || l.active
	}
	w.drain.queue = left
	return stillLeads
}

// accept takes connections one at a time and serves each at once if its
// request is there: while the application runs, the rest of the queue is free
// for other workers. It reports whether this thread still leads the loop.
func (a *admission) accept(s *appThread, l *listener, most int) leads {
	w := s.l
	l.empty = false
	for range most {
		if (!l.active || w.summoned()) && !s.isBackup() {
			return stillLeads
		}
		if w.full() {
			w.shutGate(0)
			return stillLeads
		}
		fd, e := loop.Accept(l.fd, &w.peer)
		if e != loop.None {
			switch whyNot(e) {
			case nobody:
				l.empty = true
				return stillLeads
			case gone:
				continue
			case starved:
				if w.makeRoom(s) {
					continue
				}
			case forbidden:
				l.empty = true // for this worker: a drain must not wait for it
			}
			s.ReleaseGIL()
			w.sayNotAccepted(l, e)
			w.shutGate(acceptPause)
			return stillLeads
		}
		if w.count >= w.set.MaxConns {
			w.makeRoom(s)
		}
		s.Count(metrics.Connections)
		if s.pump(w.open(fd, l, w.peer.AddrPort())) == handedOver {
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
func (a *admission) sayNotAccepted(l *listener, e unix.Errno) {
	w := a.l
	if !w.gate.refusal.due(e, w.now) {
		return
	}
	switch {
	case e == unix.EMFILE:
		w.log.Errorf("Cannot accept connections at %s: %v: the limit of this process is %d (ulimit -n, LimitNOFILE=). They wait; tried again every second", l.name, e, loop.Descriptors())
	case whyNot(e) == starved:
		w.log.Errorf("Cannot accept connections at %s: %v. They wait; tried again every second", l.name, e)
	default:
		w.log.Criticalf("Cannot accept connections at %s: accept4: %v. Nobody is served here; does a seccomp filter or a security module forbid it? Tried again every second", l.name, e)
	}
}
