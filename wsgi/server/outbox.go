package server

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/response"
)

const (
	// keptSize is the largest answer, head and body, that waits for others: a
	// copy of more costs more than the system call that it saves.
	keptSize = 8 << 10
	// keptCall is how long, in ns, calls take as a rule where answers wait, the send
	// before each included if there was one: an application that takes less keeps the
	// client busy, which need not be woken then, and the copy costs more than it saves. callTime counts none for more than longCall, so that a thread
	// that loses its processor for a while does not make the calls look long.
	keptCall = 8_000
	longCall = 100_000
	// keptFor is how long, in ns, the oldest answer waits while other requests
	// of the batch are served.
	keptFor = 500_000
)

// outbox holds finished answers until the other requests of the same batch of
// events are served: the application is called for one request after the other,
// and the answers leave together. A send between two calls costs more than a
// system call: it wakes a client on another processor, runs through a part of
// the network stack, and leaves the interpreter with cold caches. A call that
// takes long delays none of them, since the transmitter (cgo/transmit.c) sends
// what has waited for a millisecond.
//
// A connection whose answer waits stays in the phase serving, so that nobody
// touches it and its events are noted. Only a worker with one application thread
// keeps answers; the outbox is guarded by the lead.
type outbox[C comparable] struct {
	answers call.Outbox
	waiting []keptAnswer[C] // in order
	since   int64           // CLOCK_MONOTONIC ns: when the first was kept
}

// keptAnswer is one of them.
type keptAnswer[C comparable] struct {
	c    C    // the connection, as its owner knows it; nil: it was settled otherwise
	left bool // its call is over; only the last one's may go on, in close()
}

// waits tells whether there are any.
func (o *outbox[C]) waits() bool { return len(o.waiting) > 0 }

// due tells whether answers, if some wait, have waited long enough.
func (o *outbox[C]) due(now int64) bool { return now-o.since > keptFor }

// keep takes a whole answer if other requests wait, and tells whether it has:
// nothing of the answer is left to send then. The caller is inside a call and
// leads at the moment.
func (o *outbox[C]) keep(of C, c *Conn, a *answer, now int64, others bool) bool {
	if !others && len(o.waiting) == 0 {
		return false
	}
	segs := &a.left.segs
	bytes := append(append(segs[0], segs[1]...), segs[2]...) // behind the head there is room for keptSize
	if !o.answers.Put(c.Wire.FD(), bytes) {
		return false
	}
	if len(o.waiting) == 0 {
		o.since = now
	}
	o.waiting = append(o.waiting, keptAnswer[C]{c: of})
	a.took(len(bytes))
	return true
}

// leave ends the call of the connection, and tells whether the outbox has its
// answer and is to settle it: not if something went wrong behind the answer,
// close() has raised. The caller leads.
func (o *outbox[C]) leave(c C, v verdict) (settles bool) {
	last := len(o.waiting) - 1
	if last < 0 || o.waiting[last].c != c {
		return false
	}
	o.waiting[last].left = true
	if v != sent {
		var none C
		o.waiting[last].c = none
	}
	return v == sent
}

// send sends all answers, but for none while the last one's call goes on: the
// transmitter looks after that one and those before it. It gives the answers and
// what the sockets have not taken of each, valid until the next keep.
func (o *outbox[C]) send() ([]keptAnswer[C], []call.Unsent) {
	n := len(o.waiting)
	if n == 0 || !o.waiting[n-1].left {
		return nil, nil
	}
	all := o.waiting
	o.waiting = o.waiting[:0]
	return all, o.answers.Send(n)
}

// leftover is what a socket has not taken of an answer from the outbox, whose call is over.
func leftover(left []byte) *answer {
	whole := append([]byte(nil), left...)
	return &answer{state: call.Done, frame: response.Framing{Keep: true}, forLog: forLog{logged: true}, left: outgoing{segs: [3][]byte{whole}, whole: whole}}
}

// callTime is how long, in ns, the calls of a thread have taken lately: a moving
// average over eight.
type callTime int64

// add counts a call, and tells whether calls are long enough for answers to wait.
func (t *callTime) add(took int64) bool {
	*t += (callTime(min(took, longCall)) - *t) / 8
	return t.long()
}

func (t *callTime) long() bool { return *t >= keptCall }

// mayBeKept tells whether all of the answer's bytes are here, few, and not to be
// followed by the answer to a request that has come already.
func (a *answer) mayBeKept(c *Conn) bool {
	size := a.left.size()
	whole := a.final() || a.frame.Length == 0 || a.frame.NoBody
	return size > 0 && size <= keptSize && whole && c.Wire.Plain() && a.state != call.File && a.left.shared &&
		a.frame.Keep && c.Suspended == nil && c.Stream == nil && c.Size == c.In.Len()
}
