package wsgi

import (
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// hints is what wsgi.early_hints reaches: it sends 103 Early Hints (RFC 8297)
// before it returns, waiting for the client like write. Nothing is sent to a
// client of HTTP/1.0, which does not know interim answers, and none after the
// head. false: a header is invalid, and the application is told.
func (s *slot) hints(head []byte) bool {
	c, a := s.cur, s.curAns
	if c == nil || a.begun || a.lost || a.x.old {
		return true
	}
	if s.w.watch != nil {
		if !s.claim.hold() {
			return true // 504 was sent
		}
		defer s.claim.unhold()
	}
	buf, ok := appendHints(s.head[:0], packed(head))
	s.head = buf[:0]
	if !ok {
		return false
	}
	if c.stream != nil {
		// A thread that begins to read must not put its 100 into this.
		c.stream.mu.Lock()
		defer c.stream.mu.Unlock()
	}
	a.segs = [3][]byte{buf, nil, nil}
	a.whole, a.ahead = buf, len(buf)
	if !s.sendAll(c, a) {
		// A part of it may have left: what followed would be read as its end.
		loop.HalfClose(c.fd())
	}
	return true
}

// appendHints writes a 103 answer with the application's headers, checked as
// those of its response are. Headers that only the server may give, and a
// length, which an interim answer does not have, are left out.
func appendHints(dst []byte, head packed) ([]byte, bool) {
	dst = http1.AppendStatus(dst, 1, 103)
	head.status()
	for n := head.count(); n > 0; n-- {
		name, value := head.header()
		if !http1.ValidName(name) || !http1.ValidValue(value) {
			return dst, false
		}
		if !owned(name) && !http1.EqualFold(name, "content-length") {
			dst = http1.AppendField(dst, name, value)
		}
	}
	return append(dst, "\r\n"...), true
}
