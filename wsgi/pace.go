package wsgi

import (
	"time"

	"gosrv/wsgi/loop"
)

// minRate is the bytes a second that a body or an answer must make, on the
// average of a window as long as its time-out: a peer that sends or takes a
// byte now and then would else hold its place for ever.
const minRate = 500

// looks is how often in write_timeout a look is taken at what the client has
// confirmed. The kernel does not tell when that was.
const looks = 4

// pace is the window of a transfer.
type pace struct{ since, done int64 }

// start begins a window with so many bytes done.
func (p *pace) start(now, done int64) { p.since, p.done = now, done }

// slow tells whether a window has come to its end and was too slow. After one
// that was not the next begins.
func (p *pace) slow(now, done int64, window time.Duration) bool {
	took := time.Duration(now - p.since)
	if took < window {
		return false
	}
	if tooFew(done-p.done, took) {
		return true
	}
	p.start(now, done)
	return false
}

func tooFew(bytes int64, took time.Duration) bool {
	return float64(bytes) < minRate*took.Seconds()
}

// awaitBody waits for more of a body: body_timeout counts from the last byte.
func (s *slot) awaitBody(c *conn) {
	w := s.l
	if w.set.body == 0 {
		return
	}
	if c.body.pace.slow(w.now, c.body.got, w.set.body) {
		s.refuse(c, 408)
		return
	}
	w.timers.Arm(&c.timer, classBody, w.now)
	c.class = classBody
}

// taken is how much of an answer the client has confirmed, framing included.
// What the kernel holds for it does not count: that can be megabytes.
func (a *answer) taken(c *conn) int64 { return a.out - int64(c.wire.Unconfirmed()) }

// awaitRoom waits for room in the socket: write_timeout counts from the last
// time that there was some.
func (s *slot) awaitRoom(c *conn) {
	w, a := s.l, c.ans
	if w.set.write == 0 {
		return
	}
	taken := a.taken(c)
	if c.class != classWrite {
		a.pace.start(w.now, taken)
	} else if a.pace.slow(w.now, taken, w.set.write) {
		s.stalled(c)
		return
	}
	a.last, a.quiet = taken, 0
	w.timers.Arm(&c.timer, classWrite, w.now)
	c.class = classWrite
}

// noRoom is one look in that time. A client on a slow line takes bytes long
// before the kernel calls that room.
func (s *slot) noRoom(c *conn) {
	w, a := s.l, c.ans
	taken := a.taken(c)
	if !tooFew(taken-a.last, w.set.write/looks) {
		a.quiet = 0
	} else if a.quiet++; a.quiet >= looks {
		s.stalled(c)
		return
	}
	a.last = taken
	w.timers.Arm(&c.timer, classWrite, w.now)
	c.class = classWrite
}

// stalled gives a client up that does not read.
func (s *slot) stalled(c *conn) {
	s.w.log.Debugf("Client %s does not take its answer: connection closed", c.facts.Peer.Addr())
	s.abandon(c)
}

// waitRoom blocks until the socket takes bytes, as long as the client takes
// some; false: it does not, or it is gone.
func (s *slot) waitRoom(c *conn, a *answer) bool {
	look := s.w.set.write / looks
	for quiet := 0; quiet < looks; quiet++ {
		before, began := a.taken(c), loop.Now()
		if c.wire.WaitWritable(millis(look)) {
			return true
		}
		if look == 0 || loop.Now()-began < int64(look)/2 {
			return false // not for want of time
		}
		if !tooFew(a.taken(c)-before, look) {
			quiet = -1
		}
	}
	return false
}
