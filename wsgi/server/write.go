package server

import (
	"time"

	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// write is what start_response's write() callable reaches: head, if it is the
// first call, and data leave before it returns, as PEP 3333 has it. It may wait
// for the client, since the application's thread is lent to it; the GIL is
// released. What a generator has yielded before leaves first: batch. false: the
// client is gone, or the head is faulty.
func (s *responder) write(batch call.Batch, head, data []byte) bool {
	c, a := s.cur, s.curAns
	if c == nil || !s.sendBatch(c, a, batch) {
		return false
	}
	buf := s.head[:0]
	s.now = loop.Now()
	if len(head) > 0 && !a.begun {
		if !s.commit(a) {
			return false
		}
		var ok bool
		if buf, ok = s.open(a, buf, response.PackedHead(head), -1); !ok {
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
func (s *responder) sendAll(c *conn, a *answer) bool {
	defer a.left.clear()
	for a.left.size() > 0 {
		n, e := c.wire.Sendv(&a.left.segs, false)
		switch {
		case e == loop.None:
			a.took(n)
		case again(e) && s.waitRoom(c, a):
		default:
			a.bytes -= a.left.body(&a.frame)
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
func (s *responder) waitRoom(c *conn, a *answer) bool {
	if s.w.hub != nil {
		return false // a leaf call waits for nobody
	}
	look := s.w.set.Write / looks
	for quiet := 0; quiet < looks; quiet++ {
		before, began := a.taken(c), loop.Now()
		if c.wire.WaitWritable(millis(look)) {
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

// hints is what wsgi.early_hints reaches: it sends 103 Early Hints (RFC 8297)
// before it returns, waiting for the client like write. Nothing is sent to a
// client of HTTP/1.0, which does not know interim answers, and none after the
// head. false: a header is invalid, and the application is told.
func (s *responder) hints(head []byte) bool {
	c, a := s.cur, s.curAns
	if c == nil || a.begun || a.holder == watchdogHas || a.x.Old {
		return true
	}
	if s.w.watch != nil {
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
	if c.stream != nil {
		// A thread that begins to read must not put its 100 into this.
		c.stream.Lock()
		defer c.stream.Unlock()
	}
	a.left.set(buf, len(buf), 0, nil, nil)
	if !s.sendAll(c, a) {
		// A part of it may have left: what followed would be read as its end.
		c.wire.HalfClose()
	}
	return true
}
