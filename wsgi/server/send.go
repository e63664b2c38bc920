package server

import (
	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// outgoing is what the socket has not taken of an answer.
type outgoing struct {
	segs   [3][]byte // head, chunk size or framed pieces; data; chunk end
	whole  []byte    // of which segs[0] is the end
	ahead  int       // bytes of head in whole
	shared bool      // segs lie in the thread's buffers
}

// set lays out what is to be sent: whole from a position on, data, and what ends
// it. ahead bytes of whole are head. They lie in the thread's buffers.
func (o *outgoing) set(whole []byte, ahead, from int, data, end []byte) {
	*o = outgoing{segs: [3][]byte{whole[from:], data, end}, whole: whole, ahead: ahead, shared: true}
}

// setOwn lays out data that nobody else has.
func (o *outgoing) setOwn(data []byte) { *o = outgoing{segs: [3][]byte{nil, data, nil}} }

// clear forgets what is left.
func (o *outgoing) clear() { *o = outgoing{} }

// size is the number of bytes that are left.
func (o *outgoing) size() int { return len(o.segs[0]) + len(o.segs[1]) + len(o.segs[2]) }

// onlyFirst tells that there is nothing but the end of whole.
func (o *outgoing) onlyFirst() bool { return len(o.segs[1])+len(o.segs[2]) == 0 }

// took removes n sent bytes from the front.
func (o *outgoing) took(n int) {
	for i := range o.segs {
		k := min(n, len(o.segs[i]))
		o.segs[i] = o.segs[i][k:]
		n -= k
	}
}

// keep copies what lies in the thread's buffers, so that they can be used for
// others. lent: data is Python's, and stays where it is.
func (o *outgoing) keep(lent bool) {
	if !o.shared {
		return
	}
	left := len(o.segs[0])
	o.whole = append([]byte(nil), o.whole...)
	o.segs[0] = o.whole[len(o.whole)-left:]
	if !lent {
		o.segs[1] = append([]byte(nil), o.segs[1]...)
	}
	o.shared = false
}

// body is how much of the body is left.
func (o *outgoing) body(f *response.Framing) int64 {
	n := int64(len(o.segs[1]))
	if left := len(o.segs[0]); left > 0 {
		n += f.Payload(o.whole, o.ahead, len(o.whole)-left)
	}
	return n
}

// flush sends what is composed, the file included.
func (s *responder) flush(c *conn, a *answer) verdict {
	for {
		for a.left.size() > 0 {
			n, e := a.push(c)
			switch {
			case e == loop.None:
				a.took(n)
			case again(e):
				return blocked
			default:
				return s.broken(a)
			}
		}
		if a.state != call.File || a.fileLeft <= 0 {
			return sent
		}
		if v := s.moveFile(c, a); v != sent {
			return v
		}
	}
}

// push is one system call's worth of flush.
func (a *answer) push(c *conn) (int, unix.Errno) {
	if a.fileLeft > 0 && a.left.onlyFirst() {
		return c.wire.Send(a.left.segs[0], true)
	}
	return c.wire.Sendv(&a.left.segs, a.parting(c))
}

// parting tells that nothing stands between these bytes and the end of the
// connection, neither the application nor more to read: the kernel sends its
// FIN with them instead of in a packet of its own.
func (a *answer) parting(c *conn) bool {
	return a.state == call.Done && !a.frame.Keep && !a.x.Keep && c.stream == nil && c.size == c.in.Len() && a.holder == serverHas && a.ended() == sent
}

// moveFile sends a part of the file that is the body.
func (s *responder) moveFile(c *conn, a *answer) verdict {
	s.ReleaseGIL()
	n, e := c.wire.SendFile(int(a.res.FD), &a.file, int(min(a.fileLeft, fileTurn)))
	switch {
	case e == loop.None && n > 0:
		a.moved(n)
		a.out += int64(n)
	case e == loop.None: // the file has become shorter
		a.fileLeft = 0
	case again(e):
		return blocked
	case (e != unix.EINVAL && e != unix.ENOSYS) || !a.readFile():
		return s.broken(a)
	}
	return sent
}

// moved counts bytes of the file.
func (a *answer) moved(n int) {
	a.fileLeft -= int64(n)
	a.bytes += int64(n)
	if a.frame.Length > 0 {
		a.frame.Length -= int64(n)
	}
}

// readFile stands in for sendfile where the file system has none: one piece is
// read and sent as data.
func (a *answer) readFile() bool {
	buf := make([]byte, min(a.fileLeft, outSize))
	n, err := unix.Pread(int(a.res.FD), buf, a.file)
	if err != nil {
		return false
	}
	a.file += int64(n)
	a.moved(n)
	if n == 0 {
		a.fileLeft = 0
	}
	a.left.setOwn(buf[:n])
	return true
}

// took counts n bytes that the kernel has taken.
func (a *answer) took(n int) {
	a.out += int64(n)
	a.left.took(n)
}

// broken is an answer whose client is gone.
func (s *responder) broken(a *answer) verdict {
	a.Deserted = true
	s.finish(a)
	return cut
}

// suspend copies what lies in the thread's buffers, so that the thread can serve
// others, and leaves the answer to the connection.
func (s *responder) suspend(c *conn, a *answer, v verdict) verdict {
	if v == cut {
		return cut
	}
	a.app = a.state != call.Done
	a.left.keep(a.res.Ref != nil)
	if a == &s.ans {
		kept := *a
		kept.reply = append(response.PackedHead(nil), a.reply...)
		kept.notes = append([]byte(nil), a.notes...)
		kept.route = append([]byte(nil), a.route...)
		c.ans = &kept
	}
	return v
}

// taken is how much of an answer the client has confirmed, framing included.
// What the kernel holds for it does not count: that can be megabytes.
func (a *answer) taken(c *conn) int64 { return a.out - int64(c.wire.Unconfirmed()) }
