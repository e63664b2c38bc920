package answer

import (
	"gosrv/wsgi/call"
)

// behind is the room that pull leaves behind the pieces: for the size of a
// large one, or the end of the last one and the last chunk.
const behind = 64

// step asks the application for more.
func (s *Responder) step(c *Conn, a *Answer) Verdict {
	switch {
	case a.Frame.Length == 0 || a.Frame.NoBody:
		a.State = s.Calls.Next(call.SentAll, s.Out, &a.Result)
	case a.Result.Iterates != 0 && c.Wire.Plain(): // C sends what waits
		return s.pull(c, a)
	default:
		a.State = s.Calls.Next(0, s.Out, &a.Result)
	}
	return s.compose(c, a)
}

// pull asks the iterator for pieces that may leave together. They are put
// behind what has not been sent, in the thread's buffer, each in its frame; while
// the application is at the next one, those that wait are sent by another
// thread if that takes long (cgo/transmit.c).
func (s *Responder) pull(c *Conn, a *Answer) Verdict {
	buf := s.head[:cap(s.head)]
	waits := len(a.left.segs[0])
	if waits == 0 {
		a.left.ahead = 0
	}
	flags := uint32(0)
	if a.Frame.Chunked {
		flags = call.Chunked
	}
	a.State = s.Calls.Batch(flags, buf[:len(buf)-behind], waits, a.Frame.Length, &a.Result)
	s.Now = a.Result.Now
	s.keepNotes(a)
	s.composeBatch(a)
	if a.handled() {
		return a.concede(s.Out)
	}
	if a.State != call.Failed && a.State != call.Quit {
		return Sent
	}
	if a.State == call.Quit {
		_ = s.Flush(c, a) // as much as there is room for
		a.Quits = true
	}
	return s.failed(c, a)
}

// composeBatch makes what pull has left unsent ready to be sent.
func (s *Responder) composeBatch(a *Answer) {
	r := &a.Result
	a.Out += int64(r.Sent)
	a.Bytes += a.allow(int64(r.Payload))
	data := a.trim(r.RefBytes())
	a.Bytes += int64(len(data))
	buf, end := a.Frame.Frame(s.head[:r.BodyLen], len(data), a.final())
	if len(data) == 0 {
		buf, end = append(buf, end...), nil
	}
	a.left.set(buf, a.left.ahead, int(r.Sent), data, end)
	s.head = buf[:0]
}

// sendBatch sends what pull has so far, before something else is sent.
func (s *Responder) sendBatch(c *Conn, a *Answer, batch call.Batch) bool {
	if batch.End == 0 {
		return true
	}
	a.Out += int64(batch.Sent)
	a.Bytes += a.allow(int64(batch.Payload))
	a.left.set(s.head[:batch.End], a.left.ahead, int(batch.Sent), nil, nil)
	return s.sendAll(c, a)
}
