package server

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/response"
)

// behind is the room that pull leaves behind the pieces: for the size of a
// large one, or the end of the last one and the last chunk.
const behind = 64

// step asks the application for more.
func (s *responder) step(c *Conn, a *answer) verdict {
	switch {
	case a.frame.Length == 0 || a.frame.NoBody:
		a.state = s.calls.Next(call.SentAll, s.out, &a.res)
	case a.res.Iterates != 0 && c.Wire.Plain(): // C sends what waits
		return s.pull(c, a)
	default:
		a.state = s.calls.Next(0, s.out, &a.res)
	}
	return s.compose(c, a)
}

// pull asks the iterator for pieces that may leave together. They are put
// behind what has not been sent, in the thread's buffer, each in its frame; while
// the application is at the next one, those that wait are sent by another
// thread if that takes long (cgo/transmit.c).
func (s *responder) pull(c *Conn, a *answer) verdict {
	buf := s.head[:cap(s.head)]
	waits := len(a.left.segs[0])
	if waits == 0 {
		a.left.ahead = 0
	}
	flags := uint32(0)
	if a.frame.Chunked {
		flags = call.Chunked
	}
	a.state = s.calls.Batch(flags, buf[:len(buf)-behind], waits, a.frame.Length, &a.res)
	s.now = a.res.Now
	s.keepNotes(a)
	s.composeBatch(a)
	if a.handled() {
		return a.concede(s.out)
	}
	if a.state != call.Failed && a.state != call.Quit {
		return sent
	}
	if a.state == call.Quit {
		_ = s.flush(c, a) // as much as there is room for
		a.quits = true
	}
	return s.failed(c, a)
}

// composeBatch makes what pull has left unsent ready to be sent.
func (s *responder) composeBatch(a *answer) {
	r := &a.res
	a.out += int64(r.Sent)
	a.bytes += a.allow(int64(r.Payload))
	data := a.trim(r.RefBytes())
	a.bytes += int64(len(data))
	buf, end := a.frame.Frame(s.head[:r.BodyLen], len(data), a.final())
	if len(data) == 0 {
		buf, end = append(buf, end...), nil
	}
	a.left.set(buf, a.left.ahead, int(r.Sent), data, end)
	s.head = buf[:0]
}

// sendBatch sends what pull has so far, before something else is sent.
func (s *responder) sendBatch(c *Conn, a *answer, batch call.Batch) bool {
	if batch.End == 0 {
		return true
	}
	a.out += int64(batch.Sent)
	a.bytes += a.allow(int64(batch.Payload))
	a.left.set(s.head[:batch.End], a.left.ahead, int(batch.Sent), nil, nil)
	return s.sendAll(c, a)
}

// piece turns a piece that was not asked for, and the head if it is the first, into bytes to be sent. The head is copied for
// the log. lost: it is faulty.
func (s *responder) piece(c *Conn, a *answer, out []byte) verdict {
	buf := s.head[:0]
	if a.res.HeadLen > 0 && !a.begun {
		var ok bool
		if buf, ok = s.open(c, a, buf, response.PackedHead(out[:a.res.HeadLen]), a.res.Total); !ok {
			return lost
		}
		a.reply = append(response.PackedHead(nil), a.reply...)
	}
	if a.state == call.File {
		s.composeFile(c, a, buf)
		return sent
	}
	data := a.res.RefBytes()
	if data == nil {
		data = out[a.res.BodyOff:]
	}
	s.composeData(a, buf, data, true)
	return sent
}

// enough tells that the application need not say more.
func (a *answer) enough() bool {
	return a.frame.NoBody && a.frame.Status != 101 || a.state != call.More
}

// wait copies what has no room in the socket, since others use the thread's buffers meanwhile.
func (a *answer) wait() { a.left.keep(a.res.Ref != nil) }

// over judges an answer whose pieces were not asked for, when its call is over, with the last that it has said.
// gone: nothing more can be said to the client.
func (s *responder) over(c *Conn, a *answer, state call.State, res *call.Result, head []byte, gone bool) verdict {
	a.app = false
	a.state, a.res.FD, a.res.HeadLen, a.res.Ref = state, res.FD, uint32(len(head)), nil
	if a.holder == appHas && state == call.Last {
		a.state = call.Done
	}
	a.notes = append([]byte(nil), res.NotesBytes()...)
	if a.holder == watchdogHas {
		a.state = call.Done
		return lost
	}
	a.quits = state == call.Quit
	if a.handled() {
		return a.concede(head)
	}
	switch {
	case gone && a.begun:
		a.drop = !a.frame.Chunked
		fallthrough
	case gone && a.fault == "":
		a.state = call.Done
		return cut
	case a.fault != "" && !a.begun, a.state == call.Failed, a.state == call.Quit, !a.begun:
		v := s.failed(c, a)
		if v == sent {
			if v = s.flush(c, a); v == blocked {
				a.left.keep(false)
			}
		}
		return v
	}
	a.state = call.Done
	return a.ended()
}
