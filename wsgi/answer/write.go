package answer

import (
	"time"

	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// Write is what start_response's write() callable reaches: head, if it is the
// first call, and data leave before it returns, as PEP 3333 has it. It may wait
// for the client, since the application's thread is lent to it; the GIL is
// released. What a generator has yielded before leaves first: batch. false: the
// client is gone, or the head is faulty.
func (s *Responder) Write(c *Conn, a *Answer, batch call.Batch, head, data []byte) bool {
	if !s.sendBatch(c, a, batch) {
		return false
	}
	buf := s.head[:0]
	s.Now = loop.Now()
	if len(head) > 0 && !a.Begun {
		if !s.commit(a) {
			return false
		}
		var ok bool
		if buf, ok = s.open(c, a, buf, response.PackedHead(head), -1); !ok {
			return false
		}
	}
	data = a.trim(data)
	a.Bytes += int64(len(data))
	buf, end := a.Frame.Frame(buf, len(data), false)
	s.head = buf[:0]
	a.left.set(buf, len(buf), 0, data, end)
	return s.sendAll(c, a)
}

// sendAll sends what is left, waiting for the client as long as it makes progress.
func (s *Responder) sendAll(c *Conn, a *Answer) bool {
	defer a.left.clear()
	for a.left.size() > 0 {
		n, e := c.Wire.Sendv(&a.left.segs, false)
		switch {
		case e == loop.None:
			a.took(n)
		case loop.Again(e) && s.waitRoom(c, a):
		default:
			a.Bytes -= a.left.body(&a.Frame)
			return false
		}
	}
	return true
}

// millis is a time-out for poll(2): 0, "never", is -1 there.
func millis(d time.Duration) int {
	if d == 0 {
		return -1
	}
	return int(d / time.Millisecond)
}

// waitRoom blocks until the socket takes bytes, as long as the client takes
// some; false: it does not, or it is gone.
func (s *Responder) waitRoom(c *Conn, a *Answer) bool {
	if s.rules.Leaf {
		return false
	}
	look := s.rules.Patience / Looks
	for quiet := 0; quiet < Looks; quiet++ {
		before, began := a.taken(c), loop.Now()
		if c.Wire.WaitWritable(millis(look)) {
			return true
		}
		if look == 0 || loop.Now()-began < int64(look)/2 {
			return false // not for want of time
		}
		if !body.TooFew(a.taken(c)-before, look) {
			quiet = -1
		}
	}
	return false
}

// Hints is what wsgi.early_hints reaches: it sends 103 Early Hints (RFC 8297)
// before it returns, waiting for the client like write. Nothing is sent to a
// client of HTTP/1.0, which does not know interim answers, and none after the
// head. false: a header is invalid, and the application is told.
func (s *Responder) Hints(c *Conn, a *Answer, head []byte) bool {
	if a.Begun || a.Holder == WatchdogHas || a.Request.Old {
		return true
	}
	if s.rules.Watched {
		if !s.Watched.Pause() {
			return true // 504 was sent
		}
		defer s.Watched.Resume()
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
