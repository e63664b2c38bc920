package server

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// write is what start_response's write() callable reaches: head, if it is the
// first call, and data leave before it returns, as PEP 3333 has it. It may wait
// for the client, since the application's thread is lent to it; the GIL is
// released. What a generator has yielded before leaves first: batch. false: the
// client is gone, or the head is faulty.
func (s *responder) write(c *Conn, a *answer, batch call.Batch, head, data []byte) bool {
	if !s.sendBatch(c, a, batch) {
		return false
	}
	buf := s.head[:0]
	s.now = loop.Now()
	if len(head) > 0 && !a.begun {
		if !s.commit(a) {
			return false
		}
		var ok bool
		if buf, ok = s.open(c, a, buf, response.PackedHead(head), -1); !ok {
			return false
		}
	}
	data = a.trim(data)
	a.bytes += int64(len(data))
	buf, end := a.frame.Frame(buf, len(data), false)
	s.head = buf[:0]
	a.left.set(buf, len(buf), 0, data, end)
	return s.sendAll(c, a)
}

// sendAll sends what is left, waiting for the client as long as it makes progress.
func (s *responder) sendAll(c *Conn, a *answer) bool {
	defer a.left.clear()
	for a.left.size() > 0 {
		n, e := c.Wire.Sendv(&a.left.segs, false)
		switch {
		case e == loop.None:
			a.took(n)
		case loop.Again(e) && s.waitRoom(c, a):
		default:
			a.bytes -= a.left.body(&a.frame)
			return false
		}
	}
	return true
}

// hints is what wsgi.early_hints reaches: it sends 103 Early Hints (RFC 8297)
// before it returns, waiting for the client like write. Nothing is sent to a
// client of HTTP/1.0, which does not know interim answers, and none after the
// head. false: a header is invalid, and the application is told.
func (s *responder) hints(c *Conn, a *answer, head []byte) bool {
	if a.begun || a.holder == watchdogHas || a.x.Old {
		return true
	}
	if s.rules.watched {
		if !s.watched.Pause() {
			return true // 504 was sent
		}
		defer s.watched.Resume()
	}
	buf, ok := response.AppendHints(s.head[:0], response.PackedHead(head))
	s.head = buf[:0]
	if !ok {
		return false
	}
	if c.Stream != nil {
		// A thread that begins to read must not put its 100 into this.
		c.Stream.Lock()
		defer c.Stream.Unlock()
	}
	a.left.set(buf, len(buf), 0, nil, nil)
	if !s.sendAll(c, a) {
		// A part of it may have left: what followed would be read as its end.
		c.Wire.HalfClose()
	}
	return true
}
