package wsgi

import (
	"time"

	"gosrv/cpython"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// write is what start_response's write() callable reaches: head, if it is the
// first call, and data leave before it returns, as PEP 3333 has it. It may wait
// for the client, since the application's thread is lent to it; the GIL is
// released. What a generator has yielded before leaves first: batch. false: the
// client is gone, or the head is faulty.
func (s *slot) write(batch cpython.Batch, head, data []byte) bool {
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
func (s *slot) sendAll(c *conn, a *answer) bool {
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
