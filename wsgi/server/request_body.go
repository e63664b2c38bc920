package server

import (
	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// sendContinue tells the client that its body is wanted (RFC 9110 10.1.1); false:
// it is gone. A socket that has no room for 25 bytes belongs to a client that
// does not read its answers.
func (c *conn) sendContinue() bool {
	n, _ := c.Wire.Send([]byte(http1.Continue), false)
	return n == len(http1.Continue)
}

// takeBody takes what has arrived of a body.
func (s *appThread) takeBody(c *conn) (progress, *body.Refusal) {
	whole, bad := c.body.Take(s)
	switch {
	case bad != nil:
		return refused, bad
	case !whole:
		return incomplete, nil
	}
	c.Size = c.body.Size()
	c.become(reading)
	s.body = c.body.Whole()
	return complete, nil
}

// Blocks is body.Thread's.
func (s *appThread) Blocks(old, made []call.BodyBlock) int { return s.app.Blocks(old, made) }

// MayEnter is body.Thread's: whether this thread may wait for the GIL to get
// memory. Not while a call is running that may keep it for long.
func (s *appThread) MayEnter() bool {
	return s.app != nil && (s.w.crew.oneCalls() || s.l.gate.engaged == 0)
}

// TrimBuffers is Resting's.
func (s *appThread) TrimBuffers() (bytes int, again bool) { return s.l.mem.Bufs.Trim() }

// DropPages is Resting's.
func (s *appThread) DropPages() { s.app.DropPages() }

// streamOwner is told of a body that the application reads itself.
type streamOwner struct {
	w     *worker
	c     *conn
	shown int64 // the start of the request that the scoreboard shows
}

// Progressed lets the time that a request has begin again: it is not stuck as
// long as the body comes.
func (o *streamOwner) Progressed(now int64) {
	o.w.threads[o.c.thread].Watched.Extend(now)
	if o.w.crew.oneCalls() && o.w.score.Progress(o.shown, now) {
		o.shown = now
	}
}

// Failed says in the log why no more of it will come.
func (o *streamOwner) Failed(why string, invalid *http1.Error) {
	if invalid != nil {
		logRefusal(o.w.log, o.c, invalid)
		return
	}
	o.w.log.Debugf("Client %s %s", o.c.client.Peer.Addr(), why)
}

// endStream takes the reading of a connection back from the application.
func (c *conn) endStream() *body.Stream {
	st := c.Stream
	c.Stream = nil
	c.Size = st.End(&c.In)
	return st
}

// settleStream is what follows an answer to a request with a stream. It reports
// whether the body was read to its end and the connection can go on as any
// other. If not, the rest of the body is read and dropped, as long as it is
// little; where the answer has said that the connection ends, it lingers.
func (s *appThread) settleStream(c *conn, a *answer.Answer) bool {
	st := c.endStream()
	whole, failed := st.Outcome()
	if !a.Frame.Keep || failed {
		s.linger(c)
		return false
	}
	if whole {
		return true
	}
	s.l.consume(c)
	c.become(skipping)
	c.unread, c.budget = st, lingerBytes
	return false
}

// discardBody drops what has come of a body that nobody will read. complete: the
// next request may follow in the buffer.
func (s *appThread) discardBody(c *conn) progress {
	before := c.In.Len()
	whole, invalid := c.unread.Discard(&c.In)
	if invalid != nil {
		s.logRefusal(c, invalid) // its answer has left: nothing more is said
		return finished
	}
	c.budget -= before - c.In.Len()
	switch {
	case whole:
		c.become(reading)
		c.unread = nil
	case c.budget <= 0:
		return finished
	}
	if c.In.Len() == 0 {
		return incomplete
	}
	return complete
}
