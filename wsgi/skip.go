package wsgi

import "gosrv/wsgi/http1"

// endStream takes the reading of a connection back from the application. The
// caller leads. What was received and not read is the connection's again.
func (w *worker) endStream(c *conn) *inflow {
	st := c.stream
	c.stream = nil
	w.streams.remove(st)
	st.cancel()
	c.size = st.raw
	c.in.Truncate(st.end)
	return st
}

// settleStream is what follows an answer to a request with a stream. It reports
// whether the body was read to its end and the connection can go on as any
// other. If not, the rest of the body is read and dropped, as long as it is
// little; where the answer has said that the connection ends, it lingers.
func (s *slot) settleStream(c *conn, a *answer) bool {
	st := s.w.endStream(c)
	if !a.frame.Keep || st.fault != 0 {
		s.linger(c)
		return false
	}
	if st.whole {
		return true
	}
	s.consume(c)
	c.phase, c.skip, c.budget = skipping, st, lingerBytes
	return false
}

// skip drops what has come of a body that nobody will read. complete: the next
// request may follow in the buffer.
func (s *slot) skip(c *conn) progress {
	st, before := c.skip, c.in.Len()
	if st.left >= 0 {
		n := min(st.left, int64(before))
		st.left -= n
		c.in.Consume(int(n))
		st.whole = st.left == 0
	} else if err := st.skipChunks(c); err != nil {
		s.logRefusal(c, err.(*http1.Error))
		s.linger(c) // its answer has left: nothing more is said
		return refused
	}
	c.budget -= before - c.in.Len()
	switch {
	case st.whole:
		c.phase, c.skip = reading, nil
	case c.budget <= 0:
		s.linger(c)
		return refused
	}
	if c.in.Len() == 0 {
		return incomplete
	}
	return complete
}

// skipChunks consumes chunks, up to the body's end.
func (st *inflow) skipChunks(c *conn) error {
	for c.in.Len() > 0 && !st.whole {
		_, used, state, err := st.chunk.Next(c.in.Unread())
		if err != nil {
			return err
		}
		c.in.Consume(used)
		st.whole = state == http1.Done
	}
	return nil
}
