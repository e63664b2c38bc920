package answer

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/response"
)

// Piece turns a piece that was not asked for, and the head if it is the first, into bytes to be sent. The head is copied for
// the log. Lost: it is faulty.
func (s *Responder) Piece(c *Conn, a *Answer, out []byte) Verdict {
	buf := s.head[:0]
	if a.Result.HeadLen > 0 && !a.Begun {
		var ok bool
		if buf, ok = s.open(c, a, buf, response.PackedHead(out[:a.Result.HeadLen]), a.Result.Total); !ok {
			return Lost
		}
		a.Reply = append(response.PackedHead(nil), a.Reply...)
	}
	if a.State == call.File {
		s.composeFile(c, a, buf)
		return Sent
	}
	data := a.Result.RefBytes()
	if data == nil {
		data = out[a.Result.BodyOff:]
	}
	s.composeData(a, buf, data, true)
	return Sent
}

// Enough tells that the application need not say more.
func (a *Answer) Enough() bool {
	return a.Frame.NoBody && a.Frame.Status != 101 || a.State != call.More
}

// Wait copies what has no room in the socket, since others use the thread's buffers meanwhile.
func (a *Answer) Wait() { a.left.keep(a.Result.Ref != nil) }

// Over judges an answer whose pieces were not asked for, when its call is over, with the last that it has said.
// gone: nothing more can be said to the client.
func (s *Responder) Over(c *Conn, a *Answer, state call.State, res *call.Result, head []byte, gone bool) Verdict {
	a.State, a.Result.FD, a.Result.HeadLen, a.Result.Ref = state, res.FD, uint32(len(head)), nil
	if a.Holder == AppHas && state == call.Last {
		a.State = call.Done
	}
	a.Notes = append([]byte(nil), res.NotesBytes()...)
	if a.Holder == WatchdogHas {
		a.State = call.Done
		return Lost
	}
	a.Quits = state == call.Quit
	if a.handled() {
		return a.concede(head)
	}
	switch {
	case gone && a.Begun:
		a.Reset = !a.Frame.Chunked
		fallthrough
	case gone && a.Fault == "":
		a.State = call.Done
		return Cut
	case a.Fault != "" && !a.Begun, a.State == call.Failed, a.State == call.Quit, !a.Begun:
		v := s.failed(c, a)
		if v == Sent {
			if v = s.Flush(c, a); v == Blocked {
				a.left.keep(false)
			}
		}
		return v
	}
	a.State = call.Done
	return a.ended()
}
