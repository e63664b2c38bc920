package server

import (
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/body"
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

// dropRest forgets what is left.
func (a *answer) dropRest() {
	a.left.clear()
	a.fileLeft = 0
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
func (s *responder) flush(c *Conn, a *answer) verdict {
	for {
		for a.left.size() > 0 {
			n, e := a.push(c)
			switch {
			case e == loop.None:
				a.took(n)
			case loop.Again(e):
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
func (a *answer) push(c *Conn) (int, unix.Errno) {
	if a.fileLeft > 0 && a.left.onlyFirst() {
		return c.Wire.Send(a.left.segs[0], true)
	}
	return c.Wire.Sendv(&a.left.segs, a.parting(c))
}

// parting tells that nothing stands between these bytes and the end of the
// connection, neither the application nor more to read: the kernel sends its
// FIN with them instead of in a packet of its own.
func (a *answer) parting(c *Conn) bool {
	return a.state == call.Done && !a.frame.Keep && !a.x.Keep && c.Stream == nil && c.Size == c.In.Len() && a.holder == serverHas && a.ended() == sent
}

// composeFile prepares the head of an answer whose body is a file.
func (s *responder) composeFile(c *Conn, a *answer, buf []byte) {
	f := &a.frame
	a.file, a.fileLeft = a.res.FileOff, a.res.FileLen
	switch {
	case f.NoBody:
		a.fileLeft = 0
	case f.Length >= 0 && a.fileLeft > f.Length:
		a.fileLeft = f.Length
	}
	a.left.set(buf, len(buf), 0, nil, nil)
	s.head = buf[:0]
	a.unblock(c)
}

// moveFile sends a part of the file that is the body.
func (s *responder) moveFile(c *Conn, a *answer) verdict {
	s.ReleaseGIL()
	n, e := c.Wire.SendFile(int(a.res.FD), &a.file, int(min(a.fileLeft, fileTurn)))
	switch {
	case e == loop.None && n > 0:
		a.moved(n)
		a.out += int64(n)
	case e == loop.None: // the file has become shorter
		a.fileLeft = 0
	case loop.Again(e):
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

// failed answers 500 if nothing was said yet; else the client has to learn
// from the connection's end that the answer is not whole.
func (s *responder) failed(c *Conn, a *answer) verdict {
	a.state = call.Done
	if a.begun {
		a.drop = !a.frame.Chunked
		return cut
	}
	status := 500
	if c.Stream != nil {
		status = c.Stream.Refusal()
	}
	a.frame = response.Framing{Status: status, Length: -1, NoBody: a.x.Head}
	a.begun = true
	page := s.page(status, s.now, a.x.Head)
	a.left.set(page.Text, page.HeadLen, 0, nil, nil)
	a.bytes = page.BodyLen()
	return sent
}

// page is an error page in the thread's buffer. now is CLOCK_MONOTONIC, ns; bare: it has no body.
func (s *responder) page(status int, now int64, bare bool) response.Page {
	page := response.AppendPage(s.head[:0], status, s.date.At(now), bare)
	s.head = page.Text[:0]
	return page
}

// forfeit ends a call whose request the watchdog has answered.
func (s *responder) forfeit(a *answer) verdict {
	s.finish(a)
	a.dropRest()
	return lost
}

// finish ends the application's call, if it lives.
func (s *responder) finish(a *answer) {
	if a.res.Handle != nil {
		if s.rules.watched && !s.watched.Running() {
			s.watched.Start(loop.Now(), true) // close() may get stuck, too
			defer s.stopDeadline()
		}
		s.calls.Finish(&a.res)
	}
	s.keepNotes(a)
	a.state = call.Done
}

// suspend copies what lies in the thread's buffers, so that the thread can serve
// others, and leaves the answer to the connection.
func (s *responder) suspend(c *Conn, a *answer, v verdict) verdict {
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
		c.Suspended = &kept
	}
	return v
}

// looks is how often in write_timeout a look is taken at what the client has
// confirmed. The kernel does not tell when that was.
const looks = 4

// uptake is how fast the client takes an answer.
type uptake struct {
	out   int64        // bytes that the kernel has taken, framing and all
	last  int64        // taken, at the last look
	quiet int          // looks in a row that found too little more
	rate  body.MinRate // of taken
}

// taken is how much of an answer the client has confirmed, framing included.
// What the kernel holds for it does not count: that can be megabytes.
func (u *uptake) taken(c *Conn) int64 { return u.out - int64(c.Wire.Unconfirmed()) }

// await is asked when a wait for room begins, at now (CLOCK_MONOTONIC, ns), with write_timeout. first: it is the first
// in a row. True: the client has taken too little for too long.
func (u *uptake) await(c *Conn, now int64, most time.Duration, first bool) (stalled bool) {
	taken := u.taken(c)
	if first {
		u.rate.Start(now, taken)
	} else if u.rate.TooSlow(now, taken, most) {
		return true
	}
	u.last, u.quiet = taken, 0
	return false
}

// look is one look in that time. A client on a slow line takes bytes long
// before the kernel calls that room.
func (u *uptake) look(c *Conn, most time.Duration) (stalled bool) {
	taken := u.taken(c)
	if !body.TooFew(taken-u.last, most/looks) {
		u.quiet = 0
	} else if u.quiet++; u.quiet >= looks {
		return true
	}
	u.last = taken
	return false
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
func (s *responder) waitRoom(c *Conn, a *answer) bool {
	if s.rules.leaf {
		return false
	}
	look := s.rules.patience / looks
	for quiet := 0; quiet < looks; quiet++ {
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
