package server

import (
	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/loop"
)

// end is what follows when the bytes at hand amount to no request: this is where
// a connection ends that cannot go on.
func (s *appThread) end(c *conn, p progress, why *body.Refusal) {
	switch p {
	case refused:
		s.refuse(c, why)
	case otherwise:
		multiplex(s, c, nil)
	case finished:
		s.linger(c)
	default:
		s.abandon(c)
	}
}

// refuse answers a request that will not be served and ends the connection:
// nothing that follows on it can be trusted.
func (s *appThread) refuse(c *conn, why *body.Refusal) {
	w := s.l
	if why.Invalid != nil {
		s.logRefusal(c, why.Invalid)
	}
	if why.Fault != "" {
		w.log.Errorf("%s", why.Fault)
	}
	page := s.Page(why.Status, w.now, false)
	s.recordRefusal(c, why.Status, page.BodyLen())
	countRefusal(s, c, why)
	w.freeRequest(c)
	if n, e := c.Wire.Send(page.Text, false); e != loop.None || n < len(page.Text) {
		// A new connection's socket takes a page; one that does not has a
		// client that reads nothing.
		w.close(c, false)
		return
	}
	s.linger(c)
}

// linger half-closes and drops what still comes, lingerBytes of it at most:
// closing over unread bytes would send RST, which takes the answer from the
// client's hands (RFC 9112 9.6). It ends with the client's FIN or after
// lingerTime.
func (s *appThread) linger(c *conn) {
	w := s.l
	c.Wire.HalfClose()
	w.freeRequest(c)
	c.become(lingering)
	c.budget = lingerBytes
	if c.eof {
		w.close(c, false)
		return
	}
	if s.l.register(s, c, false) {
		w.arm(c, classLinger, w.now)
		s.discard(c)
	}
}

// discard drops what a lingering client sends. Beyond the budget bytes are left
// in the socket, which in time stops the client; behind a FIN there is no more
// than the socket holds.
func (s *appThread) discard(c *conn) {
	for c.budget > 0 || c.fin {
		n, e := c.Wire.Recv(s.Out)
		switch {
		case e == loop.None && n > 0:
			c.budget -= n
		case loop.Again(e):
			return
		default:
			s.l.close(c, false)
			return
		}
	}
}

// abandon closes a connection whatever it is at. A call of the application
// that hangs on it is finished first, by the thread that runs it.
func (s *appThread) abandon(c *conn) {
	if c.phase == multiplexed {
		abandonMultiplexed(s, c)
		return
	}
	if c.call != nil {
		s.w.hub.lose(c)
		return
	}
	if c.Stream != nil {
		c.Stream.Cancel() // close() must not wait for more of it
	}
	if c.Suspended != nil {
		if c.Suspended.Bound() {
			if c.thread != s.n {
				s.l.delegate(c, true)
				return
			}
			s.Finish(c.Suspended)
		}
		s.report(c, c.Suspended, answer.Cut)
	}
	s.l.close(c, c.h2 != nil && c.Suspended != nil) // the end of a stream would be that of a whole answer
}
