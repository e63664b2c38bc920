package server

import (
	"golang.org/x/sys/unix"

	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
	"gosrv/wsgi/response"
	"gosrv/wsgi/watchdog"
)

const (
	// copyMost bounds the bytes copied together so that head and body leave
	// in one buffer; a larger body is sent from where it lies.
	copyMost = 16 << 10
	// outSize is the buffer lent to the application for its head and small
	// bodies; a larger piece stays in Python's memory.
	outSize = 64 << 10
	// turn is how long, in ns, an answer in pieces may keep the thread.
	turn = 5e6
	// fileTurn bounds what one call of sendfile moves.
	fileTurn = 1 << 20
)

// verdict is what came of the attempt to send an answer.
type verdict uint8

const (
	sent    verdict = iota // all of it is with the kernel
	blocked                // the socket is full
	yielded                // more could be sent, but it is others' turn
	cut                    // it cannot be completed: the connection must go
	lost                   // the watchdog has answered in its place
	handled                // the application has seen to its client itself: nothing is said
)

// answer is one response on its way. While the application is at it it is the
// thread's own; suspended, it is the connection's.
type answer struct {
	frame response.Framing
	x     response.Request
	state call.State
	res   call.Result

	left  outgoing
	begun bool // the head was formatted, so nothing else can be said

	file     int64 // State File: offset and bytes left
	fileLeft int64

	started int64 // CLOCK_MONOTONIC ns
	resumed int64 // when the application's thread last took it up
	bytes   int64 // of body, handed to the kernel or waiting in left
	app     bool  // state must be carried on by the application's thread
	drop    bool  // end with a reset: a plain end would look like the answer's
	holder  holder

	uptake
	forLog
	measure.Course
}

// uptake is how fast the client takes an answer.
type uptake struct {
	out   int64        // bytes that the kernel has taken, framing and all
	last  int64        // taken, at the last look
	quiet int          // looks in a row that found too little more
	rate  body.MinRate // of taken
}

// forLog is what the logs get of an answer.
type forLog struct {
	fault  string
	reply  response.PackedHead // the application's head
	notes  []byte              // environ at the application's end (call.Note)
	route  []byte              // environ["gosrv.route"]
	logged bool                // its line in the access log is written
}

// responder turns what the application says into an answer, and sends it. Each
// application thread has one. It needs the lead for nothing.
type responder struct {
	w   *worker
	l   *eventLoop // what the leader may touch: nil unless this thread leads
	app Application

	out   []byte // lent to the application
	head  []byte // response heads and small answers
	ans   answer
	date  response.Date
	cache response.Cache
	reply response.PackedHead // copy of the last head, for the access log
	notes []byte              // and of what it shows of environ
	route []byte              // and of the route, for what is measured

	now     int64           // CLOCK_MONOTONIC ns: when the application returned last
	cur     *conn           // being served
	curAns  *answer         // its answer
	watched watchdog.Thread // who answers its request: the call or the watchdog
	calls   callTime        // whether answers are to wait for one another
}

// carry sends what there is and asks the application for more until the answer
// is complete, the socket is full, or it is others' turn.
func (s *responder) carry(c *conn, a *answer) verdict {
	began := int64(0)
	keeps := s.w.keeps && s.calls.add(s.now-a.resumed)
	for {
		if keeps && a.mayBeKept(c) {
			s.keepAnswer(c, a)
		}
		if began > 0 || !a.mayWait(c) {
			if v := s.flush(c, a); v != sent {
				return s.suspend(c, a, v)
			}
		}
		switch a.state {
		case call.Last, call.File:
			s.finish(a)
			fallthrough
		case call.Done:
			return a.ended()
		}
		if a.frame.NoBody && a.frame.Status != 101 { // whose application may go on with the socket
			s.finish(a)
			return sent
		}
		if began == 0 {
			began = s.now
		} else if s.now-began > turn {
			return s.suspend(c, a, yielded)
		}
		if v := s.step(c, a); v != sent {
			return v
		}
	}
}

// final tells whether nothing comes behind what the last step has given.
func (a *answer) final() bool { return a.state == call.Done || a.state == call.Last }

// mayWait tells whether a first piece may wait, with the head, for those that
// follow: it is small, and there are to be others.
func (a *answer) mayWait(c *conn) bool {
	return c.wire.Plain() && a.state == call.More && a.res.Iterates != 0 && a.left.shared && a.frame.Length != 0 && !a.frame.NoBody &&
		a.left.onlyFirst()
}

// handled tells that the application has seen to its client itself.
func (a *answer) handled() bool {
	return a.holder == appHas || a.holder == bothHave &&
		(a.state == call.Handled || a.state == call.Done && !a.begun && a.res.HeadLen == 0)
}

// ended judges a complete answer: one shorter than promised leaves the client
// waiting, so the connection has to end.
func (a *answer) ended() verdict {
	if a.frame.Length > 0 && !a.frame.NoBody {
		a.fault = "the response body is shorter than its Content-Length"
		return cut
	}
	return sent
}

// compose turns the step that the application has just made into bytes.
func (s *responder) compose(c *conn, a *answer) verdict {
	for a.state == call.Grow {
		s.out = make([]byte, a.res.Need)
		a.state = s.app.Next(0, s.out, &a.res)
	}
	s.now = a.res.Now
	s.keepNotes(a)
	if a.handled() {
		return concede(s, a, s.out)
	}
	if a.state == call.Failed || a.state == call.Quit {
		if a.state == call.Quit {
			s.w.order(quitOrder)
		}
		if !a.begun && !s.commit(a) {
			return s.forfeit(a)
		}
		return s.failed(c, a)
	}
	buf := s.head[:0]
	if !a.begun && (a.holder == watchdogHas || a.res.HeadLen > 0) && !s.commit(a) {
		return s.forfeit(a)
	}
	if a.res.HeadLen > 0 && !a.begun {
		var ok bool
		if buf, ok = s.open(a, buf, response.PackedHead(s.out[:a.res.HeadLen]), a.res.Total); !ok {
			s.finish(a)
			return s.failed(c, a)
		}
	}
	data := a.res.RefBytes()
	ours := data == nil
	if ours {
		data = s.out[a.res.BodyOff : a.res.BodyOff+a.res.BodyLen]
	}
	if a.state == call.File {
		s.composeFile(a, buf)
	} else {
		s.composeData(a, buf, data, ours)
	}
	return sent
}

// open formats the application's head, once. false: it is faulty.
func (s *responder) open(a *answer, buf []byte, head response.PackedHead, total int64) ([]byte, bool) {
	a.x.Total = total
	if s.cur.stream != nil && !s.cur.stream.Answered() {
		a.x.Keep = false
	}
	buf, a.frame, a.fault = s.cache.Append(buf, head, a.x, &s.date, s.now)
	if a.fault != "" {
		return buf, false
	}
	a.begun, a.Headed = true, s.now
	if s.w.access.KeepsReply() {
		s.reply = append(s.reply[:0], head...)
		a.reply = s.reply
	}
	return buf, true
}

// composeData frames one piece of a body.
func (s *responder) composeData(a *answer, buf, data []byte, ours bool) {
	ahead := len(buf)
	data = a.trim(data)
	a.bytes += int64(len(data))
	buf, end := a.frame.Frame(buf, len(data), a.final())
	if ours && len(buf)+len(data) <= copyMost {
		buf = append(buf, data...)
		buf = append(buf, end...)
		data, end = nil, nil
	}
	a.left.set(buf, ahead, 0, data, end)
	s.head = buf[:0]
}

// trim drops what may not be sent: a body where none belongs, and what exceeds
// the Content-Length.
func (a *answer) trim(data []byte) []byte {
	if a.frame.NoBody {
		return nil
	}
	return data[:a.allow(int64(len(data)))]
}

// allow counts n bytes of body and returns how many of them may be sent.
func (a *answer) allow(n int64) int64 {
	f := &a.frame
	if f.Length < 0 {
		return n
	}
	if n > f.Length {
		a.fault = "the response body is longer than its Content-Length: cut"
		n = f.Length
		// Nothing that follows can be sent either.
		if a.state == call.More {
			a.state = call.Last
		}
	}
	f.Length -= n
	return n
}

// composeFile prepares the head of an answer whose body is a file.
func (s *responder) composeFile(a *answer, buf []byte) {
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
	a.unblock(s.cur)
}

// unblock undoes what the application's use of a shared socket has done to the
// one file that both descriptors stand for: sendfile waits for nobody.
func (a *answer) unblock(c *conn) {
	if a.holder == bothHave {
		_ = unix.SetNonblock(c.fd(), true)
	}
}

// failed answers 500 if nothing was said yet; else the client has to learn
// from the connection's end that the answer is not whole.
func (s *responder) failed(c *conn, a *answer) verdict {
	a.state = call.Done
	if a.begun {
		a.drop = !a.frame.Chunked
		return cut
	}
	status := 500
	if c.stream != nil {
		status = c.stream.Refusal()
	}
	a.frame = response.Framing{Status: status, Length: -1, NoBody: a.x.Head}
	a.begun = true
	page := response.AppendPage(s.head[:0], status, s.date.At(s.now), a.x.Head)
	s.head = page.Text
	a.left.set(page.Text, page.HeadLen, 0, nil, nil)
	a.bytes = page.BodyLen()
	return sent
}

// keepNotes copies what C says of environ at the end of a call.
func (s *responder) keepNotes(a *answer) {
	if a.res.Notes == nil {
		return
	}
	s.notes = append(s.notes[:0], a.res.NotesBytes()...)
	a.notes, a.res.Notes = s.notes, nil
}

// ReleaseGIL lets Python's other threads run, before something that may wait.
func (s *responder) ReleaseGIL() {
	if s.app != nil {
		s.app.Release()
	}
}

// lose gives the answer up to the watchdog, which has sent its own.
func (a *answer) lose() { a.holder, a.logged = watchdogHas, true }

// startDeadline says that the thread enters the application for this answer.
func (s *responder) startDeadline(a *answer) {
	if s.w.watch != nil {
		s.watched.Start(a.resumed, a.begun)
		if a.holder != serverHas {
			s.watched.Waive()
		}
	}
}

// stopDeadline says that it has come back.
func (s *responder) stopDeadline() {
	if s.w.watch != nil && s.watched.Stop() {
		s.w.lost.Add(-1)
	}
}

// commit is asked before the first byte of a final answer; false: the watchdog
// has answered, and whatever the call has to say is dropped.
func (s *responder) commit(a *answer) bool {
	if a.holder == watchdogHas {
		return false
	}
	if s.w.watch != nil && !s.watched.Commit(a.state == call.Done) {
		a.lose()
		return false
	}
	return true
}

// forfeit ends a call whose request the watchdog has answered.
func (s *responder) forfeit(a *answer) verdict {
	s.finish(a)
	a.left.clear()
	a.fileLeft = 0
	return lost
}

// finish ends the application's call, if it lives.
func (s *responder) finish(a *answer) {
	if a.res.Handle != nil {
		if s.w.watch != nil && !s.watched.Running() {
			s.watched.Start(loop.Now(), true) // close() may get stuck, too
			defer s.stopDeadline()
		}
		s.app.Finish(&a.res)
	}
	s.keepNotes(a)
	a.state = call.Done
}

// runSignals is RunSignals, watched: a handler may get stuck.
func (s *responder) runSignals() call.Flags {
	if s.w.watch != nil {
		s.watched.Start(loop.Now(), true)
		defer s.stopDeadline()
	}
	return s.app.RunSignals()
}
