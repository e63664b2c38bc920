// Package answer is what becomes of what the application says: how an answer is framed, sent piece by piece, kept
// for others to leave with it, and left suspended where its client does not take it. It does not end connections: a
// Verdict says what came of an answer, and the connection's owner acts.
package answer

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

// Verdict is what came of the attempt to send an answer.
type Verdict uint8

const (
	Sent    Verdict = iota // all of it is with the kernel
	Blocked                // the socket is full
	Yielded                // more could be sent, but it is others' turn
	Cut                    // it cannot be completed: the connection must go
	Lost                   // the watchdog has answered in its place
	Handled                // the application has seen to its client itself: nothing is said
	Whole                  // all of it is here and none of it sent: it may wait for other answers, and is carried on then
)

// Conn is a connection as far as its answer has to do with it: the way out, and what of the request is in the way.
type Conn struct {
	Wire      loop.Transport
	In        loop.Buffer  // what was read
	Size      int          // bytes of it that the request is, once it is complete
	Stream    *body.Stream // a body that the application reads itself; nil otherwise
	Suspended *Answer      // waits for the socket or for its turn, or a greenlet's; nil: none
}

// Answer is one response on its way. While the application is at it it is the
// thread's own; suspended, it is the connection's.
type Answer struct {
	Frame   response.Framing
	Request response.Request
	State   call.State
	Result  call.Result // of the last step

	Begun   bool  // the head was formatted, so nothing else can be said
	Reset   bool  // end with a reset: a plain end would look like the answer's
	Quits   bool  // the application wants the process to end
	Started int64 // CLOCK_MONOTONIC ns
	Resumed int64 // when the application's thread last took it up
	Bytes   int64 // of body, handed to the kernel or waiting in left
	Holder  Holder

	left     outgoing
	file     int64 // State File: offset and bytes left
	fileLeft int64

	uptake
	forLog
	measure.Course
}

// forLog is what the logs get of an answer.
type forLog struct {
	Fault  string
	Reply  response.PackedHead // the application's head
	Notes  []byte              // environ at the application's end (call.Note)
	Route  []byte              // environ["gosrv.route"]
	Logged bool                // its line in the access log is written
}

// Rules is what the answers of all threads have in common. It is set before the first of them.
type Rules struct {
	KeepsReply bool          // the access log shows headers of the application
	Watched    bool          // there is a watchdog
	Leaf       bool          // no thread may wait for a client
	Patience   time.Duration // write_timeout; 0: none
	Keeps      bool          // small answers of a batch may leave together: Outbox
	Lost       atomic.Int32  // calls that the watchdog has found too late and that still run
}

// Calls is what a Responder asks of the application's calls once they have begun. What is lent to a method is lent until it
// returns; a Result's Ref stays valid until the next method for the same call. Only the thread that it belongs to may use it.
type Calls interface {
	Next(flags uint32, out []byte, res *call.Result) call.State
	Batch(flags uint32, out []byte, end int, left int64, res *call.Result) call.State
	Finish(res *call.Result)
	RunSignals() call.Flags
	Release()
}

// Responder turns what the application says into an answer, and sends it. Each
// application thread has one. It needs the lead for nothing.
type Responder struct {
	rules *Rules
	Calls Calls // nil: the thread does not enter the application

	Out   []byte // lent to the application
	head  []byte // response heads and small answers
	ans   Answer
	date  response.Date
	cache response.Cache
	reply response.PackedHead // copy of the last head, for the access log
	notes []byte              // and of what it shows of environ
	route []byte              // and of the route, for what is measured

	Now     int64           // CLOCK_MONOTONIC ns: when the application returned last
	Watched watchdog.Thread // who answers its request: the call or the watchdog
	took    callTime        // whether answers are to wait for one another
}

// NewResponder prepares for a thread.
func NewResponder(r *Rules) Responder {
	return Responder{rules: r, Out: make([]byte, outSize), head: make([]byte, 0, 2*copyMost)}
}

// NewAnswer is that to a request, until the next. now is CLOCK_MONOTONIC, ns.
func (s *Responder) NewAnswer(now int64, x response.Request) *Answer {
	a := &s.ans
	*a = Answer{Started: now, Resumed: now, Request: x}
	return a
}

// Called goes on with what the application's call has said: it is the first.
func (s *Responder) Called(c *Conn, a *Answer) Verdict {
	a.Held = a.Result.Held
	if route := a.Result.RouteBytes(); route != nil {
		s.route = append(s.route[:0], route...)
		a.Route = s.route
	}
	if a.Result.Ends != 0 {
		a.Request.Keep = false // a hook wants it so
	}
	return s.compose(c, a)
}

// Carry sends what there is and asks the application for more until the answer
// is complete, the socket is full, it is others' turn, or (Whole) all of it may wait for others.
func (s *Responder) Carry(c *Conn, a *Answer) Verdict {
	return s.advance(c, a, s.rules.Keeps && s.took.add(s.Now-a.Resumed))
}

// CarryOn is carry for an answer that is whole: what of it is still here is sent.
func (s *Responder) CarryOn(c *Conn, a *Answer) Verdict { return s.advance(c, a, false) }

// MayKeep tells whether answers may wait for one another, as calls are.
func (s *Responder) MayKeep() bool { return s.rules.Keeps && s.took.long() }

// advance is both. mayKeep: an answer that is whole is not sent yet.
func (s *Responder) advance(c *Conn, a *Answer, mayKeep bool) Verdict {
	began := int64(0)
	for {
		if mayKeep && a.mayBeKept(c) {
			return Whole
		}
		if began > 0 || !a.mayWait(c) {
			if v := s.Flush(c, a); v != Sent {
				return s.suspend(c, a, v)
			}
		}
		switch a.State {
		case call.Last, call.File:
			s.Finish(a)
			fallthrough
		case call.Done:
			return a.ended()
		}
		if a.Frame.NoBody && a.Frame.Status != 101 { // whose application may go on with the socket
			s.Finish(a)
			return Sent
		}
		if began == 0 {
			began = s.Now
		} else if s.Now-began > turn {
			return s.suspend(c, a, Yielded)
		}
		if v := s.step(c, a); v != Sent {
			return v
		}
	}
}

// Bound tells that its call is not over, so that the application's thread has to carry it on.
func (a *Answer) Bound() bool { return a.State != call.Done }

// final tells whether nothing comes behind what the last step has given.
func (a *Answer) final() bool { return a.State == call.Done || a.State == call.Last }

// mayWait tells whether a first piece may wait, with the head, for those that
// follow: it is small, and there are to be others.
func (a *Answer) mayWait(c *Conn) bool {
	return c.Wire.Plain() && a.State == call.More && a.Result.Iterates != 0 && a.left.shared && a.Frame.Length != 0 && !a.Frame.NoBody &&
		a.left.onlyFirst()
}

// handled tells that the application has seen to its client itself.
func (a *Answer) handled() bool {
	return a.Holder == AppHas || a.Holder == BothHave &&
		(a.State == call.Handled || a.State == call.Done && !a.Begun && a.Result.HeadLen == 0)
}

// Unblock undoes what the application's use of a shared socket has done to the
// one file that both descriptors stand for: sendfile waits for nobody.
func (a *Answer) Unblock(c *Conn) {
	if a.Holder == BothHave {
		_ = unix.SetNonblock(c.Wire.FD(), true)
	}
}

// ended judges a complete answer: one shorter than promised leaves the client
// waiting, so the connection has to end.
func (a *Answer) ended() Verdict {
	if a.Frame.Length > 0 && !a.Frame.NoBody {
		a.Fault = "the response body is shorter than its Content-Length"
		return Cut
	}
	return Sent
}

// compose turns the step that the application has just made into bytes.
func (s *Responder) compose(c *Conn, a *Answer) Verdict {
	for a.State == call.Grow {
		s.Out = make([]byte, a.Result.Need)
		a.State = s.Calls.Next(0, s.Out, &a.Result)
	}
	s.Now = a.Result.Now
	s.keepNotes(a)
	if a.handled() {
		return a.concede(s.Out)
	}
	if a.State == call.Failed || a.State == call.Quit {
		a.Quits = a.State == call.Quit
		if !a.Begun && !s.commit(a) {
			return s.forfeit(a)
		}
		return s.failed(c, a)
	}
	buf := s.head[:0]
	if !a.Begun && (a.Holder == WatchdogHas || a.Result.HeadLen > 0) && !s.commit(a) {
		return s.forfeit(a)
	}
	if a.Result.HeadLen > 0 && !a.Begun {
		var ok bool
		if buf, ok = s.open(c, a, buf, response.PackedHead(s.Out[:a.Result.HeadLen]), a.Result.Total); !ok {
			s.Finish(a)
			return s.failed(c, a)
		}
	}
	data := a.Result.RefBytes()
	ours := data == nil
	if ours {
		data = s.Out[a.Result.BodyOff : a.Result.BodyOff+a.Result.BodyLen]
	}
	if a.State == call.File {
		s.composeFile(c, a, buf)
	} else {
		s.composeData(a, buf, data, ours)
	}
	return Sent
}

// open formats the application's head, once. false: it is faulty.
func (s *Responder) open(c *Conn, a *Answer, buf []byte, head response.PackedHead, total int64) ([]byte, bool) {
	a.Request.Total = total
	if c.Stream != nil && !c.Stream.Answered() {
		a.Request.Keep = false
	}
	buf, a.Frame, a.Fault = s.cache.Append(buf, head, a.Request, &s.date, s.Now)
	if a.Fault != "" {
		return buf, false
	}
	a.Begun, a.Headed = true, s.Now
	if s.rules.KeepsReply {
		s.reply = append(s.reply[:0], head...)
		a.Reply = s.reply
	}
	return buf, true
}

// composeData frames one piece of a body.
func (s *Responder) composeData(a *Answer, buf, data []byte, ours bool) {
	ahead := len(buf)
	data = a.trim(data)
	a.Bytes += int64(len(data))
	buf, end := a.Frame.Frame(buf, len(data), a.final())
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
func (a *Answer) trim(data []byte) []byte {
	if a.Frame.NoBody {
		return nil
	}
	return data[:a.allow(int64(len(data)))]
}

// allow counts n bytes of body and returns how many of them may be sent.
func (a *Answer) allow(n int64) int64 {
	f := &a.Frame
	if f.Length < 0 {
		return n
	}
	if n > f.Length {
		a.Fault = "the response body is longer than its Content-Length: cut"
		n = f.Length
		// Nothing that follows can be sent either.
		if a.State == call.More {
			a.State = call.Last
		}
	}
	f.Length -= n
	return n
}

// keepNotes copies what C says of environ at the end of a call.
func (s *Responder) keepNotes(a *Answer) {
	if a.Result.Notes == nil {
		return
	}
	s.notes = append(s.notes[:0], a.Result.NotesBytes()...)
	a.Notes, a.Result.Notes = s.notes, nil
}

// ReleaseGIL lets Python's other threads run, before something that may wait.
func (s *Responder) ReleaseGIL() {
	if s.Calls != nil {
		s.Calls.Release()
	}
}

// StartDeadline says that the thread enters the application for this answer.
func (s *Responder) StartDeadline(a *Answer) {
	if s.rules.Watched {
		s.Watched.Start(a.Resumed, a.Begun)
		if a.Holder != ServerHas {
			s.Watched.Waive()
		}
	}
}

// StopDeadline says that it has come back.
func (s *Responder) StopDeadline() {
	if s.rules.Watched && s.Watched.Stop() {
		s.rules.Lost.Add(-1)
	}
}

// commit is asked before the first byte of a final answer; false: the watchdog
// has answered, and whatever the call has to say is dropped.
func (s *Responder) commit(a *Answer) bool {
	if a.Holder == WatchdogHas {
		return false
	}
	if s.rules.Watched && !s.Watched.Commit(a.State == call.Done) {
		a.Lose()
		return false
	}
	return true
}

// Lend leaves the request to the application's own time, as it uses the socket. False: it was late
// before, and the watchdog has answered.
func (s *Responder) Lend(a *Answer) bool {
	if a.Holder != ServerHas {
		return a.Holder != WatchdogHas
	}
	if s.rules.Watched && !s.Watched.Waive() {
		a.Lose()
		return false
	}
	a.Holder = BothHave
	return true
}
