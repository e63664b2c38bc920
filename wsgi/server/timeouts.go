package server

import (
	"time"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/loop"
)

// Classes of time-outs.
const (
	classNone   uint8 = iota
	classHeader       // a head, absolute from its first byte (or from accept)
	classBody         // a body, from its last byte
	classWrite        // an answer, from the last time the socket had room: one look
	classIdle         // between two requests
	classLinger       // after the last answer
)

// idleClasses are the time-outs of connections that may be closed to make room,
// the most dispensable first.
var idleClasses = [...]uint8{classIdle, classLinger, classHeader}

// Parting is how long a connection takes to end.
type Parting struct {
	Linger               time.Duration // for the client's FIN
	LastIdle, LastLinger time.Duration // in a drain, in the place of keepalive and Linger
}

// UsualParting is for clients of the Internet.
var UsualParting = Parting{lingerTime, lastIdle, lastLinger}

// within gives the times in a drain, in ns: less where graceful_timeout is short,
// so that what is idle gets a soft end then, too. grace 0: it may take any time.
func (p *Parting) within(grace int64) (idle, linger int64) {
	idle, linger = int64(p.LastIdle), int64(p.LastLinger)
	if grace > 0 {
		idle, linger = min(idle, grace/2), min(linger, grace/4)
	}
	return idle, linger
}

const (
	lingerTime  = 2 * time.Second
	lingerBytes = body.MostDropped
)

// newTimers makes the classes in the order of the constants above. An idle time
// of 0 arms nothing: no connection is kept.
func newTimers(t *Settings) *loop.Timers {
	return loop.NewTimers(0, int64(t.Header), int64(t.Body), int64(t.Write)/answer.Looks, int64(t.Idle+t.Overtime), int64(t.Parting.Linger))
}

// timeouts ends what waits too long.
type timeouts struct {
	timers *loop.Timers
}

// hasten gives idle connections their last times, in ns. One that has sent nothing
// yet is as idle as one that was answered; rest sees to those that come later.
func (t *timeouts) hasten(conns []*conn, idle, linger int64) {
	now := loop.Now()
	t.timers.Shorten(classIdle, idle, now)
	t.timers.Shorten(classLinger, linger, now)
	for _, c := range conns {
		if c != nil && c.phase == multiplexed {
			c.mux.Warn() // it gets a while to send what it has begun
			t.timers.Arm(&c.timer, classIdle, now)
			c.class = classIdle
		}
		if c != nil && (c.phase == reading || c.phase == securing && c.tls == nil) && c.class == classHeader && c.In.Len() == 0 {
			t.timers.Arm(&c.timer, classIdle, now)
			c.class = classIdle
		}
	}
}

// anyIdle tells whether a connection may be closed to make room.
func (t *timeouts) anyIdle() bool {
	for _, class := range idleClasses {
		if t.timers.Oldest(class) != nil {
			return true
		}
	}
	return false
}

// arm starts the class's time-out at now unless it runs already: a head, for one, is
// given its time once, not once a byte.
func (t *timeouts) arm(c *conn, class uint8, now int64) {
	if c.class != class {
		t.timers.Arm(&c.timer, class, now)
		c.class = class
	}
}

// expire ends what has waited too long. It reports whether this thread still
// leads the loop.
func (t *timeouts) expire(s *appThread) leads {
	w := s.l
	for {
		e, class := w.timers.Expired(w.now)
		if e == nil {
			return stillLeads
		}
		c := w.at(e.FD)
		if c.phase == serving {
			if w.hub != nil {
				w.hub.noticed(c)
			}
			continue
		}
		c.class = classNone
		if s.l.overdue(s, c, class) == handedOver {
			return handedOver
		}
	}
}

// overdue is one connection whose time is up.
func (t *timeouts) overdue(s *appThread, c *conn, class uint8) leads {
	if c.phase == multiplexed {
		overdueMultiplexed(s, c, class)
		return stillLeads
	}
	switch class {
	case classHeader, classBody:
		return s.l.late(s, c)
	case classIdle:
		return s.l.overslept(s, c)
	case classWrite:
		s.l.noRoom(s, c)
	case classLinger:
		return s.l.outstayed(s, c)
	default:
		s.abandon(c)
	}
	return stillLeads
}

// outstayed ends a connection whose client has not sent what was left of a
// body, or not its FIN, after a look into the socket.
func (t *timeouts) outstayed(s *appThread, c *conn) leads {
	gen, rest := c.gen, c.unread
	if c.phase == skipping {
		c.readable = true
		if s.pump(c) == handedOver {
			return handedOver
		}
	} else {
		s.discard(c) // closing over unread bytes would send RST
	}
	if c.gen == gen && c.unread == rest && (c.phase == skipping || c.phase == lingering) {
		s.abandon(c)
	}
	return stillLeads
}

// late ends a request that is not complete in time, after a look into the
// socket: while the application ran nobody has read from it.
func (t *timeouts) late(s *appThread, c *conn) leads {
	w, gen, served, shook := s.l, c.gen, s.l.served, c.tls
	var got int64
	before := c.body
	if before != nil {
		got = before.Got()
	}
	c.readable = true
	if s.pump(c) == handedOver {
		return handedOver
	}
	switch {
	case c.gen == gen && c.phase == securing && c.tls == shook:
		w.close(c, false) // it has had its time, and nothing can be said to it
	case c.gen != gen || w.served != served || c.phase != reading && c.phase != filling:
		// It came, or was refused.
	case c.phase == filling && (before == nil || c.body.Got() > got):
	case c.phase == filling || c.partial && c.In.Len() > 0:
		s.refuse(c, &body.Refusal{Status: 408})
	case c.In.Len() == 0 && !c.used:
		w.close(c, false)
	}
	return stillLeads
}

// overslept ends an idle connection, after a look whether a request has come
// this very moment.
func (t *timeouts) overslept(s *appThread, c *conn) leads {
	if c.phase == securing {
		return t.late(s, c)
	}
	c.readable = true
	if p, bad := s.fill(c); p != incomplete {
		s.end(c, p, bad)
		return stillLeads
	}
	if c.In.Len() > 0 {
		return s.pump(c)
	}
	if s.l.idleMayStay(s.l.now, s.l.gate.engaged > int(s.w.answers.Lost.Load())) {
		s.rest(c)
		return stillLeads
	}
	s.linger(c)
	return stillLeads
}

// awaitBody waits for more of a body: body_timeout counts from the last byte.
func (t *timeouts) awaitBody(s *appThread, c *conn) {
	w := s.l
	if w.set.Body == 0 {
		return
	}
	if c.body.TooSlow(w.now, w.set.Body) {
		s.refuse(c, &body.Refusal{Status: 408})
		return
	}
	w.timers.Arm(&c.timer, classBody, w.now)
	c.class = classBody
}

// awaitRoom waits for room in the socket: write_timeout counts from the last
// time that there was some.
func (t *timeouts) awaitRoom(s *appThread, c *conn) {
	w, a := s.l, c.Suspended
	if w.set.Write == 0 {
		return
	}
	if a.Await(&c.Conn, w.now, w.set.Write, c.class != classWrite) {
		s.l.stalled(s, c)
		return
	}
	w.timers.Arm(&c.timer, classWrite, w.now)
	c.class = classWrite
}

// noRoom is a look at the client in the time that awaitRoom gives it.
func (t *timeouts) noRoom(s *appThread, c *conn) {
	w, a := s.l, c.Suspended
	if a.Look(&c.Conn, w.set.Write) {
		s.l.stalled(s, c)
		return
	}
	w.timers.Arm(&c.timer, classWrite, w.now)
	c.class = classWrite
}

// stalled gives a client up that does not read.
func (t *timeouts) stalled(s *appThread, c *conn) {
	s.Count(metrics.WriteTimeout)
	s.w.log.Debugf("Client %s does not take its answer: connection closed", c.client.Peer.Addr())
	s.abandon(c)
}
