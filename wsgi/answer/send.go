package answer

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

// Flush sends what is composed, the file included.
func (s *Responder) Flush(c *Conn, a *Answer) Verdict {
	for {
		for a.left.size() > 0 {
			n, e := a.push(c)
			switch {
			case e == loop.None:
				a.took(n)
			case loop.Again(e):
				return Blocked
			default:
				return s.broken(a)
			}
		}
		if a.State != call.File || a.fileLeft <= 0 {
			return Sent
		}
		if v := s.moveFile(c, a); v != Sent {
			return v
		}
	}
}

// push is one system call's worth of flush.
func (a *Answer) push(c *Conn) (int, unix.Errno) {
	if a.fileLeft > 0 && a.left.onlyFirst() {
		return c.Wire.Send(a.left.segs[0], true)
	}
	return c.Wire.Sendv(&a.left.segs, a.Parting(c))
}

// Parting tells that nothing stands between these bytes and the end of the
// connection, neither the application nor more to read: the kernel sends its
// FIN with them instead of in a packet of its own.
func (a *Answer) Parting(c *Conn) bool {
	return a.State == call.Done && !a.Frame.Keep && !a.Request.Keep && c.Stream == nil && c.Size == c.In.Len() && a.Holder == ServerHas && a.ended() == Sent
}

// composeFile prepares the head of an answer whose body is a file.
func (s *Responder) composeFile(c *Conn, a *Answer, buf []byte) {
	f := &a.Frame
	a.file, a.fileLeft = a.Result.FileOff, a.Result.FileLen
	switch {
	case f.NoBody:
		a.fileLeft = 0
	case f.Length >= 0 && a.fileLeft > f.Length:
		a.fileLeft = f.Length
	}
	a.left.set(buf, len(buf), 0, nil, nil)
	s.head = buf[:0]
	a.Unblock(c)
}

// moveFile sends a part of the file that is the body.
func (s *Responder) moveFile(c *Conn, a *Answer) Verdict {
	s.ReleaseGIL()
	n, e := c.Wire.SendFile(int(a.Result.FD), &a.file, int(min(a.fileLeft, fileTurn)))
	switch {
	case e == loop.None && n > 0:
		a.moved(n)
		a.Out += int64(n)
	case e == loop.None: // the file has become shorter
		a.fileLeft = 0
	case loop.Again(e):
		return Blocked
	case (e != unix.EINVAL && e != unix.ENOSYS) || !a.readFile():
		return s.broken(a)
	}
	return Sent
}

// moved counts bytes of the file.
func (a *Answer) moved(n int) {
	a.fileLeft -= int64(n)
	a.Bytes += int64(n)
	if a.Frame.Length > 0 {
		a.Frame.Length -= int64(n)
	}
}

// readFile stands in for sendfile where the file system has none: one piece is
// read and sent as data.
func (a *Answer) readFile() bool {
	buf := make([]byte, min(a.fileLeft, outSize))
	n, err := unix.Pread(int(a.Result.FD), buf, a.file)
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

// DropRest forgets what is left.
func (a *Answer) DropRest() {
	a.left.clear()
	a.fileLeft = 0
}

// took counts n bytes that the kernel has taken.
func (a *Answer) took(n int) {
	a.Out += int64(n)
	a.left.took(n)
}

// BodySent is how much of the body has left, in bytes.
func (a *Answer) BodySent() int64 { return a.Bytes - a.left.body(&a.Frame) }

// suspend copies what lies in the thread's buffers, so that the thread can serve
// others, and leaves the answer to the connection.
func (s *Responder) suspend(c *Conn, a *Answer, v Verdict) Verdict {
	if v == Cut {
		return Cut
	}
	a.left.keep(a.Result.Ref != nil)
	if a == &s.ans {
		kept := *a
		kept.Reply = append(response.PackedHead(nil), a.Reply...)
		kept.Notes = append([]byte(nil), a.Notes...)
		kept.Route = append([]byte(nil), a.Route...)
		c.Suspended = &kept
	}
	return v
}
