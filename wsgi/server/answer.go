package server

import (
	"sync/atomic"
	"time"

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
	whole                  // all of it is here and none of it sent: it may wait for other answers, and is carried on then
)

// Conn is a connection as far as its answer has to do with it: the way out, and what of the request is in the way.
type Conn struct {
	Wire      loop.Transport
	In        loop.Buffer  // what was read
	Size      int          // bytes of it that the request is, once it is complete
	Stream    *body.Stream // a body that the application reads itself; nil otherwise
	Suspended *answer      // waits for the socket or for its turn, or a greenlet's; nil: none
}

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
	quits   bool  // the application wants the process to end
	holder  holder

	uptake
	forLog
	measure.Course
}

// forLog is what the logs get of an answer.
type forLog struct {
	fault  string
	reply  response.PackedHead // the application's head
	notes  []byte              // environ at the application's end (call.Note)
	route  []byte              // environ["gosrv.route"]
	logged bool                // its line in the access log is written
}

// rules is what the answers of all threads have in common. It is set before the first of them.
type rules struct {
	keepsReply bool          // the access log shows headers of the application
	watched    bool          // there is a watchdog
	leaf       bool          // no thread may wait for a client
	patience   time.Duration // write_timeout; 0: none
	keeps      bool          // small answers of a batch may leave together: outbox
	lost       atomic.Int32  // calls that the watchdog has found too late and that still run
}

// continued is what a responder asks of a call that has begun; Application says more.
type continued interface {
	Next(flags uint32, out []byte, res *call.Result) call.State
	Batch(flags uint32, out []byte, end int, left int64, res *call.Result) call.State
	Finish(res *call.Result)
	RunSignals() call.Flags
	Release()
}

// responder turns what the application says into an answer, and sends it. Each
// application thread has one. It needs the lead for nothing.
type responder struct {
	rules *rules
	calls continued // nil: the thread does not enter the application

	out   []byte // lent to the application
	head  []byte // response heads and small answers
	ans   answer
	date  response.Date
	cache response.Cache
	reply response.PackedHead // copy of the last head, for the access log
	notes []byte              // and of what it shows of environ
	route []byte              // and of the route, for what is measured

	now     int64           // CLOCK_MONOTONIC ns: when the application returned last
	watched watchdog.Thread // who answers its request: the call or the watchdog
	took    callTime        // whether answers are to wait for one another
}

// newResponder prepares for a thread.
func newResponder(r *rules) responder {
	return responder{rules: r, out: make([]byte, outSize), head: make([]byte, 0, 2*copyMost)}
}

// newAnswer is that to a request, until the next. now is CLOCK_MONOTONIC, ns.
func (s *responder) newAnswer(now int64, x response.Request) *answer {
	a := &s.ans
	*a = answer{started: now, resumed: now, x: x}
	return a
}

// called goes on with what the application's call has said: it is the first.
func (s *responder) called(c *Conn, a *answer) verdict {
	a.Held = a.res.Held
	if route := a.res.RouteBytes(); route != nil {
		s.route = append(s.route[:0], route...)
		a.route = s.route
	}
	if a.res.Ends != 0 {
		a.x.Keep = false // a hook wants it so
	}
	return s.compose(c, a)
}

// carry sends what there is and asks the application for more until the answer
// is complete, the socket is full, it is others' turn, or (whole) all of it may wait for others.
func (s *responder) carry(c *Conn, a *answer) verdict {
	return s.advance(c, a, s.rules.keeps && s.took.add(s.now-a.resumed))
}

// carryOn is carry for an answer that is whole: what of it is still here is sent.
func (s *responder) carryOn(c *Conn, a *answer) verdict { return s.advance(c, a, false) }

// advance is both.
func (s *responder) advance(c *Conn, a *answer, mayKeep bool) verdict {
	began := int64(0)
	for {
		if mayKeep && a.mayBeKept(c) {
			return whole
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
func (a *answer) mayWait(c *Conn) bool {
	return c.Wire.Plain() && a.state == call.More && a.res.Iterates != 0 && a.left.shared && a.frame.Length != 0 && !a.frame.NoBody &&
		a.left.onlyFirst()
}

// handled tells that the application has seen to its client itself.
func (a *answer) handled() bool {
	return a.holder == appHas || a.holder == bothHave &&
		(a.state == call.Handled || a.state == call.Done && !a.begun && a.res.HeadLen == 0)
}

// unblock undoes what the application's use of a shared socket has done to the
// one file that both descriptors stand for: sendfile waits for nobody.
func (a *answer) unblock(c *Conn) {
	if a.holder == bothHave {
		_ = unix.SetNonblock(c.Wire.FD(), true)
	}
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
func (s *responder) compose(c *Conn, a *answer) verdict {
	for a.state == call.Grow {
		s.out = make([]byte, a.res.Need)
		a.state = s.calls.Next(0, s.out, &a.res)
	}
	s.now = a.res.Now
	s.keepNotes(a)
	if a.handled() {
		return a.concede(s.out)
	}
	if a.state == call.Failed || a.state == call.Quit {
		a.quits = a.state == call.Quit
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
		if buf, ok = s.open(c, a, buf, response.PackedHead(s.out[:a.res.HeadLen]), a.res.Total); !ok {
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
		s.composeFile(c, a, buf)
	} else {
		s.composeData(a, buf, data, ours)
	}
	return sent
}

// open formats the application's head, once. false: it is faulty.
func (s *responder) open(c *Conn, a *answer, buf []byte, head response.PackedHead, total int64) ([]byte, bool) {
	a.x.Total = total
	if c.Stream != nil && !c.Stream.Answered() {
		a.x.Keep = false
	}
	buf, a.frame, a.fault = s.cache.Append(buf, head, a.x, &s.date, s.now)
	if a.fault != "" {
		return buf, false
	}
	a.begun, a.Headed = true, s.now
	if s.rules.keepsReply {
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
	if s.calls != nil {
		s.calls.Release()
	}
}

// startDeadline says that the thread enters the application for this answer.
func (s *responder) startDeadline(a *answer) {
	if s.rules.watched {
		s.watched.Start(a.resumed, a.begun)
		if a.holder != serverHas {
			s.watched.Waive()
		}
	}
}

// stopDeadline says that it has come back.
func (s *responder) stopDeadline() {
	if s.rules.watched && s.watched.Stop() {
		s.rules.lost.Add(-1)
	}
}

// commit is asked before the first byte of a final answer; false: the watchdog
// has answered, and whatever the call has to say is dropped.
func (s *responder) commit(a *answer) bool {
	if a.holder == watchdogHas {
		return false
	}
	if s.rules.watched && !s.watched.Commit(a.state == call.Done) {
		a.lose()
		return false
	}
	return true
}

// runSignals is RunSignals, watched: a handler may get stuck.
func (s *responder) runSignals() call.Flags {
	if s.rules.watched {
		s.watched.Start(loop.Now(), true)
		defer s.stopDeadline()
	}
	return s.calls.RunSignals()
}
