package server

import (
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/loop"
)

// maxPipelined bounds the requests of one connection served before others get
// their turn.
const maxPipelined = 16

// progress is what the bytes at hand amount to, for the one who owns the
// connection to act on.
type progress uint8

const (
	incomplete progress = iota
	complete            // a whole request
	refused             // the request cannot be served, and the client is told why
	clientGone          // nothing can be said to it any more
	finished            // all was said: the connection ends
	otherwise           // the client speaks HTTP/2
)

// pump serves what the connection has sent as far as it is complete, and reads
// until the socket is empty. It reports whether this thread still leads.
func (s *appThread) pump(c *conn) leads {
	if c.phase == securing {
		secure(s, c)
		return stillLeads
	}
	for turns := 0; ; turns++ {
		if turns >= maxPipelined {
			s.l.later(c)
			return stillLeads
		}
		for !c.ready && (c.In.Len() == 0 || c.partial) {
			if !c.readable {
				s.rest(c)
				return stillLeads
			}
			if p, bad := s.fill(c); p != incomplete {
				s.end(c, p, bad)
				return stillLeads
			}
		}
		p, bad := s.advance(c)
		switch p {
		case complete:
			if s.w.set.HTTP2.Upgrade && upgrade(s, c) {
				return stillLeads
			}
			if s.w.set.Health != "" && answerHealth(s, c) {
				if c.phase != reading {
					return stillLeads
				}
				continue
			}
			if s.isBackup() {
				s.l.handover.setAside(s, c)
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
		default:
			s.end(c, p, bad)
			return stillLeads
		}
	}
}

// fill reads once. incomplete: the connection goes on.
func (s *appThread) fill(c *conn) (progress, *body.Refusal) {
	n, room, e := 0, 0, loop.None
	if c.body != nil {
		var bad *body.Refusal
		if n, room, e, bad = c.body.Recv(s, &c.Wire); bad != nil {
			return refused, bad
		}
	}
	if room == 0 {
		if !s.l.room(c) {
			return refused, &body.Refusal{Status: 413}
		}
		free := c.In.Room()
		room = len(free)
		n, e = c.Wire.Recv(free)
		c.In.Add(n)
	}
	switch {
	case e == loop.None && n > 0:
		c.partial = false
		c.arrival.Came(s.l.polls.Since(c.arrival.Last, c.Wire.Received))
		// A short read has emptied the socket; the next byte is a new edge.
		// A FIN behind it was reported with this edge and is read at once.
		if n < room && !c.fin {
			c.readable = false
		}
		return incomplete, nil
	case e == loop.None:
		return c.hungup()
	case loop.Again(e):
		c.readable = false
		return incomplete, nil
	}
	return clientGone, nil
}

// readAhead reads what the clients of a batch of events have sent before the first
// of their requests is served, so that calls of the application follow one
// another. It is for those whose answers wait for one another (outbox): short calls
// lose more by buffers that are not in the cache. A connection that is new, or
// speaks TLS, or whose last request was large, may need more than a read, and has its
// turn as ever. The thread goes on leading.
func (s *appThread) readAhead() leads {
	w := s.l
	if !s.MayKeep() || w.poll.Left() < 2 {
		return stillLeads
	}
	for n := range w.poll.Left() {
		ev := w.poll.Ahead(n)
		if ev.Gen == special {
			continue
		}
		c := w.conns[ev.FD]
		if c == nil || c.gen != ev.Gen || c.phase != reading || !c.used || c.tls != nil || c.In.Len() > 0 || c.Size > loop.SmallBuffer {
			continue
		}
		c.note(ev)
		c.ahead = true
		if p, bad := s.fill(c); p != incomplete {
			s.end(c, p, bad)
		}
	}
	return stillLeads
}

// hungup is the client's FIN: nothing more will come. What is incomplete now
// is so for ever.
func (c *conn) hungup() (progress, *body.Refusal) {
	c.readable, c.eof = false, true
	if c.phase == filling {
		return refused, &body.Refusal{Status: 400}
	}
	return clientGone, nil
}

// room makes sure that a read has somewhere to go; false if the request
// outgrows the largest buffer, which the limits should not allow.
func (w *eventLoop) room(c *conn) bool {
	if c.body != nil && c.body.Apart() && c.In.Full() {
		return false
	}
	return c.In.MakeRoom(&w.mem.Bufs)
}

// advance looks at the bytes at hand.
func (s *appThread) advance(c *conn) (progress, *body.Refusal) {
	if c.ready {
		return s.recall(c)
	}
	if c.phase == filling {
		return s.takeBody(c)
	}
	if c.phase == skipping {
		if p := s.discardBody(c); p != complete {
			return p, nil
		}
	}
	if c.fresh {
		if p, bad := s.w.greet(c); p != complete {
			return p, bad
		}
	}
	r := s.req
	if c.req != nil {
		r = c.req
	}
	policy := &s.w.policy
	if c.h2 != nil {
		policy = &s.w.ofStreams
	}
	err := s.l.headBlocks.Parse(policy, c.In.Unread(), r, &c.known)
	if err == nil {
		return s.begin(c, r)
	}
	if err != http1.ErrPartial {
		if p := preface(s, c); p != refused {
			return p, nil
		}
	}
	s.keepRequest(c) // of one that is refused, for the access log
	if err == http1.ErrPartial {
		return incomplete, nil
	}
	return refused, invalid(err.(*http1.Error))
}

// invalid refuses what the client has done wrong.
func invalid(e *http1.Error) *body.Refusal { return &body.Refusal{Status: e.Status, Invalid: e} }

// request is the head being served.
func (s *appThread) request(c *conn) *http1.Request {
	if c.req != nil {
		return c.req
	}
	return s.req
}

// keepRequest leaves the thread's request to the connection, which will need it
// again, and takes another for the thread.
func (s *appThread) keepRequest(c *conn) {
	if c.req == nil {
		c.req, s.req = s.req, s.l.getRequest()
	}
}

// rest leaves a connection to epoll and the timers: nothing more can be done
// for it now.
func (s *appThread) rest(c *conn) {
	w := s.l
	if !s.l.register(s, c, c.phase == sending) {
		return
	}
	switch {
	case c.phase == filling:
		s.l.awaitBody(s, c)
	case c.phase == skipping:
		w.arm(c, classLinger, w.now)
	case c.phase == sending:
		s.l.awaitRoom(s, c)
	case c.In.Len() > 0:
		w.arm(c, classHeader, w.now)
	default:
		c.In.Release(&w.mem.Bufs)
		if c.used || w.drain.on {
			w.timers.Arm(&c.timer, classIdle, w.now)
			c.class = classIdle
		} else {
			w.arm(c, classHeader, w.now)
		}
	}
}

// recall makes a waiting request, or one that came with an offer, the thread's.
func (s *appThread) recall(c *conn) (progress, *body.Refusal) {
	r := s.request(c)
	if c.req == nil {
		if err := s.l.headBlocks.Parse(&s.w.policy, c.In.Unread(), r, &c.known); err != nil {
			// Another generation's limits were wider.
			bad, _ := err.(*http1.Error)
			if bad == nil {
				bad = errNoRequest
			}
			s.keepRequest(c)
			return refused, invalid(bad)
		}
	}
	c.ready = false
	if c.body != nil {
		s.body = c.body.Whole()
	} else {
		start := r.HeadLen
		s.body = call.Body{FD: -1, Len: int64(c.content), Mem: c.In.Unread()[start : start+c.content]}
	}
	return complete, nil
}

// begin decides what follows a complete head.
func (s *appThread) begin(c *conn, r *http1.Request) (progress, *body.Refusal) {
	w := s.l
	if limit := w.mem.Limits.Body; limit > 0 && r.ContentLength > limit {
		s.keepRequest(c)
		return refused, &body.Refusal{Status: 413}
	}
	end := r.HeadLen
	if !r.Chunked && r.ContentLength <= 0 {
		c.Size = end
		s.body = call.Body{FD: -1}
		return complete, nil
	}
	if n := r.ContentLength; !r.Chunked && n <= int64(c.In.Len()-end) {
		c.Size = end + int(n)
		s.body = call.Body{Mem: c.In.Unread()[end:c.Size], FD: -1, Len: n}
		return complete, nil
	}
	if w.set.StreamBody {
		owner := &streamOwner{w: w.worker, c: c, shown: w.now}
		c.Stream = w.streams.Start(&w.mem, &c.In, c.Wire, r, &w.streamRules, owner)
		s.body = c.Stream.Whole()
		return complete, nil
	}
	s.keepRequest(c)
	b, bad := w.mem.Begin(s, &c.In, r, &w.policy, w.now)
	c.body = b
	c.arrival.HeadCame()
	c.become(filling)
	if bad != nil {
		return refused, bad
	}
	if r.ExpectContinue && c.In.Len() == end && !c.sendContinue() {
		return clientGone, nil
	}
	return s.takeBody(c)
}

// errProxyPeer refuses a PROXY header of a peer that is not in proxy_allow_ips,
// with Gunicorn's status.
var errProxyPeer = &http1.Error{Status: 403, Reason: "PROXY header from a peer that is not in proxy_allow_ips"}

// greet reads the PROXY header at the start of a connection, if there is one.
// It is part of the first head: the same deadline counts. As in Gunicorn a
// connection without it is plain HTTP, and a peer that may not send one is
// refused only if it does; it is not told how it should have been written.
func (w *protocol) greet(c *conn) (progress, *body.Refusal) {
	said, n, err := proxyproto.Parse(w.Proxy, c.In.Unread())
	if err == proxyproto.ErrPartial {
		return incomplete, nil
	}
	c.fresh = false
	var bad *http1.Error
	if err != nil {
		bad = &http1.Error{Status: 400, Reason: err.Error()}
	}
	if (n > 0 || bad != nil) && !c.listener.unix && !w.MayProxy(c.client.Peer.Addr()) {
		bad = errProxyPeer
	}
	if bad != nil {
		return refused, invalid(bad)
	}
	if n > 0 {
		c.client.SetProxied(&said)
		c.In.Consume(n)
	}
	if c.In.Len() == 0 {
		return incomplete, nil
	}
	return complete, nil
}
