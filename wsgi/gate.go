package wsgi

import (
	"math"
	"time"

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

// full tells whether as many connections have a complete request as
// worker_connections allows, or as many are open as max_connections does and
// none of them can make room.
func (w *eventLoop) full() bool {
	if w.gate.engaged >= w.set.maxEngaged {
		return true
	}
	if w.count < w.set.maxConns {
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
func (w *eventLoop) shutGate(most time.Duration) {
	if w.drain.queue {
		return
	}
	w.gate.shut, w.gate.retry = true, w.now+int64(most)
	w.shutExchange()
	for _, l := range w.listeners {
		w.unlisten(l)
	}
}

// tryGate accepts again if it is time to.
func (w *eventLoop) tryGate() {
	g := &w.gate
	if g.shut && !w.drain.on && !w.full() && g.retry <= w.now {
		w.openGate()
	}
}

// openGate accepts again. A final drain begins with it: nobody else will serve
// the queue.
func (w *eventLoop) openGate() {
	if !w.gate.shut {
		return
	}
	w.gate.shut = false
	if err := w.listen(); err != nil {
		w.log.Errorf("Cannot accept connections: %v", err)
	}
}

// gateTime is the moment at which waiting must end for the gate.
func (w *eventLoop) gateTime() int64 {
	if !w.gate.shut || w.drain.on || w.full() {
		return math.MaxInt64
	}
	return w.gate.retry
}

// engage counts a connection whose request is complete until release or
// consume forgets it.
func (w *eventLoop) engage(c *conn) {
	if !c.engaged {
		c.engaged = true
		w.gate.engaged++
	}
}

func (w *eventLoop) disengage(c *conn) {
	if c.engaged {
		c.engaged = false
		w.gate.engaged--
	}
}

// makeRoom closes the connection that has been idle longest; false if none is.
// One whose next request has just come is not idle any more.
func (w *eventLoop) makeRoom(s *slot) bool {
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
			if class == classIdle && loop.Unread(e.FD) > 0 {
				w.timers.Arm(e, class, w.now)
				continue
			}
			s.abandon(c)
			return true
		}
	}
	return false
}
