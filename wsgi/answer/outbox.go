package answer

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

const (
	// KeptSize is the largest answer, head and body, that waits for others: a
	// copy of more costs more than the system call that it saves.
	KeptSize = 8 << 10
	// keptCall is how long, in ns, calls take as a rule where answers wait, the send
	// before each included if there was one: an application that takes less keeps the
	// client busy, which need not be woken then, and the copy costs more than it saves.
	keptCall = 8_000
	// LongCall is the most, in ns, that a call counts for, so that a thread
	// that loses its processor for a while does not make the calls look long.
	LongCall = 100_000
	// keptFor is how long, in ns, the oldest answer waits while other requests
	// of the batch are served.
	keptFor = 500_000
)

// Outbox holds finished answers until the other requests of the same batch of
// events are served: the application is called for one request after the other,
// and the answers leave together. A send between two calls costs more than a
// system call: it wakes a client on another processor, runs through a part of
// the network stack, and leaves the interpreter with cold caches. A call that
// takes long delays none of them, since the transmitter (cgo/transmit.c) sends
// what has waited for a millisecond.
//
// A connection whose answer waits stays its thread's, so that nobody
// touches it and its events are noted. Only a worker with one application thread
// keeps answers; the outbox is guarded by the lead. C is the connection as its owner knows it.
type Outbox[C comparable] struct {
	Transmitter call.Outbox // set before the first answer
	waiting     []Kept[C]   // in order
	since       int64       // CLOCK_MONOTONIC ns: when the first was kept
}

// Kept is one of them.
type Kept[C comparable] struct {
	Conn C    // nil: it was settled otherwise
	left bool // its call is over; only the last one's may go on, in close()
}

// Size is how many wait.
func (o *Outbox[C]) Size() int { return len(o.waiting) }

// Due tells whether answers, if some wait, have waited long enough.
func (o *Outbox[C]) Due(now int64) bool { return now-o.since > keptFor }

// Keep takes a whole answer if other requests wait, and tells whether it has:
// nothing of the answer is left to send then. The caller is inside a call and
// leads at the moment.
func (o *Outbox[C]) Keep(of C, c *Conn, a *Answer, now int64, others bool) bool {
	if !others && len(o.waiting) == 0 {
		return false
	}
	segs := &a.left.segs
	bytes := append(append(segs[0], segs[1]...), segs[2]...) // behind the head there is room for KeptSize
	if !o.Transmitter.Put(c.Wire.FD(), bytes) {
		return false
	}
	if len(o.waiting) == 0 {
		o.since = now
	}
	o.waiting = append(o.waiting, Kept[C]{Conn: of})
	a.took(len(bytes))
	return true
}

// Leave ends the call of the connection, and tells whether the outbox has its
// answer and is to settle it: not if something went wrong behind the answer,
// close() has raised. The caller leads.
func (o *Outbox[C]) Leave(c C, v Verdict) (settles bool) {
	last := len(o.waiting) - 1
	if last < 0 || o.waiting[last].Conn != c {
		return false
	}
	o.waiting[last].left = true
	if v != Sent {
		var none C
		o.waiting[last].Conn = none
	}
	return v == Sent
}

// Send sends all answers, but for none while the last one's call goes on: the
// transmitter looks after that one and those before it. It gives the answers and
// what the sockets have not taken of each, valid until the next Keep.
func (o *Outbox[C]) Send() ([]Kept[C], []call.Unsent) {
	n := len(o.waiting)
	if n == 0 || !o.waiting[n-1].left {
		return nil, nil
	}
	all := o.waiting
	o.waiting = o.waiting[:0]
	return all, o.Transmitter.Send(n)
}

// Leftover is what a socket has not taken of an answer from the outbox, whose call is over.
func Leftover(left []byte) *Answer {
	whole := append([]byte(nil), left...)
	return &Answer{State: call.Done, Frame: response.Framing{Keep: true}, forLog: forLog{Logged: true}, left: outgoing{segs: [3][]byte{whole}, whole: whole}}
}

// callTime is how long, in ns, the calls of a thread have taken lately: a moving
// average over eight.
type callTime int64

// add counts a call, and tells whether calls are long enough for answers to wait.
func (t *callTime) add(took int64) bool {
	*t += (callTime(min(took, LongCall)) - *t) / 8
	return t.long()
}

func (t *callTime) long() bool { return *t >= keptCall }

// mayBeKept tells whether all of the answer's bytes are here, few, and not to be
// followed by the answer to a request that has come already. A request stays in
// memory until its answer has left, so a large one's does at once: the pool of read buffers
// has few of that size.
func (a *Answer) mayBeKept(c *Conn) bool {
	size := a.left.size()
	whole := a.final() || a.Frame.Length == 0 || a.Frame.NoBody
	return size > 0 && size <= KeptSize && whole && c.Wire.Plain() && a.State != call.File && a.left.shared &&
		a.Frame.Keep && c.Suspended == nil && c.Stream == nil && c.Size == c.In.Len() && c.Size <= loop.SmallBuffer
}
