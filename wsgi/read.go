package wsgi

import (
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// maxPipelined bounds the requests of one connection served before others get
// their turn.
const maxPipelined = 16

// progress is what the bytes at hand amount to.
type progress uint8

const (
	incomplete progress = iota
	complete            // a whole request
	refused             // an error answer is on its way, or the connection is gone
)

// pump serves what the connection has sent as far as it is complete, and reads
// until the socket is empty. It reports whether this thread still leads.
func (s *slot) pump(c *conn) leads {
	for turns := 0; ; turns++ {
		if turns >= maxPipelined {
			s.l.later(c)
			return stillLeads
		}
		for !c.ready && (c.in.Len() == 0 || c.partial) {
			if !c.readable {
				s.rest(c)
				return stillLeads
			}
			if !s.fill(c) {
				return stillLeads
			}
		}
		switch s.advance(c) {
		case complete:
			if s.isBackup() {
				s.hold(c)
				return stillLeads
			}
			if s.serve(c) == handedOver {
				return handedOver
			}
			if c.phase != reading && c.phase != skipping {
				return stillLeads
			}
		case incomplete:
			c.partial = true
		case refused:
			return stillLeads
		}
	}
}

// fill reads once. false: the connection has ended or is ending.
func (s *slot) fill(c *conn) bool {
	n, room, e := 0, 0, loop.None
	if b := c.body; b != nil && b.split && b.want >= 0 {
		if n, room, e = s.recvBlocks(c); room == 0 && !s.spill(c) {
			return false
		}
	}
	if room == 0 {
		if !s.l.room(c) {
			s.refuse(c, 413)
			return false
		}
		free := c.in.Room()
		room = len(free)
		n, e = c.wire.Recv(free)
		c.in.Add(n)
	}
	switch {
	case e == loop.None && n > 0:
		c.partial = false
		// A short read has emptied the socket; the next byte is a new edge.
		// A FIN behind it was reported with this edge and is read at once.
		if n < room && !c.fin {
			c.readable = false
		}
		return true
	case e == loop.None:
		return s.hungup(c)
	case again(e):
		c.readable = false
		return true
	}
	s.abandon(c)
	return false
}

// hungup is the client's FIN: nothing more will come. What is incomplete now
// is so for ever.
func (s *slot) hungup(c *conn) bool {
	c.readable, c.eof = false, true
	if c.phase == filling {
		s.refuse(c, 400)
		return false
	}
	s.abandon(c)
	return false
}

// room makes sure that a read has somewhere to go; false if the request
// outgrows the largest buffer, which the limits should not allow.
func (w *eventLoop) room(c *conn) bool {
	if c.body != nil && c.body.apart() && c.in.Full() {
		return false
	}
	return c.in.MakeRoom(&w.bufs)
}

// advance looks at the bytes at hand.
func (s *slot) advance(c *conn) progress {
	if c.ready {
		return s.recall(c)
	}
	if c.phase == filling {
		return s.gather(c)
	}
	if c.phase == skipping {
		if p := s.skip(c); p != complete {
			return p
		}
	}
	if c.fresh {
		if p := s.greet(c); p != complete {
			return p
		}
	}
	r := s.req
	if c.req != nil {
		r = c.req
	}
	err := s.parse(c, r)
	if err == nil {
		return s.begin(c, r)
	}
	if err == http1.ErrPartial {
		s.keepRequest(c)
		return incomplete
	}
	bad := err.(*http1.Error)
	s.keepRequest(c) // for the access log
	s.logRefusal(c, bad)
	s.refuse(c, bad.Status)
	return refused
}

// request is the head being served.
func (s *slot) request(c *conn) *http1.Request {
	if c.req != nil {
		return c.req
	}
	return s.req
}

// keepRequest leaves the slot's request to the connection, which will need it
// again, and takes another for the slot.
func (s *slot) keepRequest(c *conn) {
	if c.req == nil {
		c.req, s.req = s.req, s.l.getRequest()
	}
}
