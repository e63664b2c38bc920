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
	a.segs = [3][]byte{buf, data, end}
	a.whole, a.ahead = buf, len(buf)
	return s.sendAll(c, a)
}

// sendAll sends a.segs, waiting for the client as long as it makes progress.
func (s *slot) sendAll(c *conn, a *answer) bool {
	defer func() { a.whole, a.ahead = nil, 0 }()
	for len(a.segs[0])+len(a.segs[1])+len(a.segs[2]) > 0 {
		n, e := c.wire.Sendv(&a.segs, false)
		switch {
		case e == loop.None:
			a.took(n)
		case again(e) && s.waitRoom(c, a):
		default:
			a.bytes -= a.unsent()
			a.segs = [3][]byte{}
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
