package wsgi

import (
	"gosrv/wsgi/response"
)

// hints is what wsgi.early_hints reaches: it sends 103 Early Hints (RFC 8297)
// before it returns, waiting for the client like write. Nothing is sent to a
// client of HTTP/1.0, which does not know interim answers, and none after the
// head. false: a header is invalid, and the application is told.
func (s *slot) hints(head []byte) bool {
	c, a := s.cur, s.curAns
	if c == nil || a.begun || a.custody == watchdogHas || a.x.Old {
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
