package answer

import (
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// failed answers 500 if nothing was said yet; else the client has to learn
// from the connection's end that the answer is not whole.
func (s *Responder) failed(c *Conn, a *Answer) Verdict {
	a.State = call.Done
	if a.Begun {
		a.Reset = !a.Frame.Chunked
		return Cut
	}
	status := 500
	if c.Stream != nil {
		status = c.Stream.Refusal()
	}
	a.Frame = response.Framing{Status: status, Length: -1, NoBody: a.Request.Head}
	a.Begun = true
	page := s.Page(status, s.Now, a.Request.Head)
	a.left.set(page.Text, page.HeadLen, 0, nil, nil)
	a.Bytes = page.BodyLen()
	return Sent
}

// Page is an error page in the thread's buffer. now is CLOCK_MONOTONIC, ns; bare: it has no body.
func (s *Responder) Page(status int, now int64, bare bool) response.Page {
	buf, date := s.Own(now)
	return response.AppendPage(buf, status, date, bare)
}

// Own is what the server writes an answer of its own with: an empty buffer, its until the next answer, and the date at
// now, CLOCK_MONOTONIC ns.
func (s *Responder) Own(now int64) (buf, date []byte) { return s.head[:0], s.date.At(now) }

// forfeit ends a call whose request the watchdog has answered.
func (s *Responder) forfeit(a *Answer) Verdict {
	s.Finish(a)
	a.DropRest()
	return Lost
}

// Finish ends the application's call, if it lives.
func (s *Responder) Finish(a *Answer) {
	if a.Result.Handle != nil {
		if s.rules.Watched && !s.Watched.Running() {
			s.Watched.Start(loop.Now(), true) // close() may get stuck, too
			defer s.StopDeadline()
		}
		s.Calls.Finish(&a.Result)
	}
	s.keepNotes(a)
	a.State = call.Done
}

// broken is an answer whose client is gone.
func (s *Responder) broken(a *Answer) Verdict {
	a.Deserted = true
	s.Finish(a)
	return Cut
}

// TooLate answers 504 in a call's place, whose answer is of. Whatever the socket has no
// room for is lost: it has held no byte of an answer yet. The call may go on meanwhile, in its own thread.
func TooLate(c *Conn, of *Answer) *Answer {
	if c.Stream != nil {
		c.Stream.Answered() // no 100 Continue from now on
	}
	a := &Answer{Started: of.Started, Request: of.Request, Begun: true}
	page := response.AppendPage(nil, 504, http1.AppendDate(nil, time.Now()), a.Request.Head)
	a.Frame = response.Framing{Status: 504}
	a.Bytes = page.BodyLen()
	_, _ = c.Wire.Send(page.Text, false)
	c.Wire.HalfClose()
	return a
}

// RunSignals is RunSignals, watched: a handler may get stuck.
func (s *Responder) RunSignals() call.Flags {
	if s.rules.Watched {
		s.Watched.Start(loop.Now(), true)
		defer s.StopDeadline()
	}
	return s.Calls.RunSignals()
}
