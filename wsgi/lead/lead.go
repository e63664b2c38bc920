// Package lead settles which thread leads a loop that several may run. What only
// the leader may touch is reached through what Acquire, Await, StandBy and
// Reclaim return, and given up with Release.
//
// One thread leads at a time. It releases the lead before a call that may take
// long and acquires it afterwards: one atomic operation each while nobody else
// wants it. A standby looks in every tick; only when the leader is still inside
// the same call does it take over. So short calls run on one thread, without a
// hop, and a long one holds nobody up.
//
// Two arrangements use that: a Pool of equal threads, where whoever comes back
// late waits for its turn, and a Backup, whose main thread gets the lead back.
package lead

import (
	"sync/atomic"

	"gosrv/wsgi/loop"
)

// quietTicks is after how many looks at an idle leader the standby goes to sleep.
const quietTicks = 4

// Who looks after a leader that has released the lead.
const (
	nobody   uint32 = iota
	watching        // the standby looks in every tick
	dozing          // it sleeps until it is woken
)

// Lead is the right to run a loop whose state is S. It is made by New; the
// caller of that leads.
type Lead[S any] struct {
	state  *S
	led    atomic.Uint32 // 1 while a thread leads
	calls  atomic.Uint32 // how often it was released
	guard  atomic.Uint32 // nobody, watching, dozing
	asleep atomic.Uint32 // 1 while the leader waits for events, or is about to
	waker  *loop.Waker   // interrupts that wait
}

// init makes the caller the leader.
func (l *Lead[S]) init(state *S) (err error) {
	l.state = state
	l.led.Store(1)
	l.waker, err = loop.NewWaker()
	return err
}

// Waker is for the set of events that the leader waits for: it is readable
// when Interrupt was called. The Lead owns it.
func (l *Lead[S]) Waker() *loop.Waker { return l.waker }

// Acquire gives the lead, if nobody has it; else nil.
func (l *Lead[S]) Acquire() *S {
	if l.led.CompareAndSwap(0, 1) {
		return l.state
	}
	return nil
}

// release gives the lead up. It reports whether the standby watches: if not,
// somebody has to be woken. The order matters: doze announces itself first and
// looks at led then, so that one of the two sees the other.
func (l *Lead[S]) release() bool {
	l.led.Store(0)
	return l.watched()
}

// watched is the second half of release.
func (l *Lead[S]) watched() bool { return l.guard.Load() == watching }

// doze lets the standby sleep until it is woken; false if a call is running.
func (l *Lead[S]) doze() bool { return l.announceDoze() && l.mayDoze() }

// announceDoze is the first half of doze.
func (l *Lead[S]) announceDoze() bool { return l.guard.CompareAndSwap(watching, dozing) }

// mayDoze is the second one.
func (l *Lead[S]) mayDoze() bool {
	return l.led.Load() != 0 || !l.guard.CompareAndSwap(dozing, watching)
}

// Rest announces that the leader is going to wait for events. Whoever has
// something for it either sees that and interrupts the wait, or has left it
// before: look after Rest, and Wake if there is something.
func (l *Lead[S]) Rest() { l.asleep.Store(1) }

// Wake ends what Rest began.
func (l *Lead[S]) Wake() { l.asleep.Store(0) }

// Interrupt makes a leader that waits for events come back. Any thread may.
func (l *Lead[S]) Interrupt() {
	if l.asleep.Load() == 1 {
		l.waker.Wake()
	}
}

// look is what the standby finds when it wakes up.
type look uint8

const (
	called look = iota // it was signalled
	busy               // calls come and go
	stuck              // the same call as at the last look is still running
	quiet              // no call is running, and none has been
)

// watch is a standby's memory of its looks.
type watch[S any] struct {
	lead  *Lead[S]
	tick  int64 // between two looks, ns
	seen  uint32
	quiet int
}

func (l *Lead[S]) watch(tick int64) watch[S] {
	return watch[S]{lead: l, tick: tick, seen: l.calls.Load()}
}

// wait is the time between two looks, and the second of them.
func (w *watch[S]) wait(s *loop.Signal) look {
	tick := w.tick
	if w.quiet >= quietTicks && w.lead.doze() {
		tick = 0
	}
	if s.Wait(tick) {
		w.quiet, w.seen = 0, w.lead.calls.Load()
		return called
	}
	return w.look()
}

// look compares with the last one.
func (w *watch[S]) look() look {
	calls := w.lead.calls.Load()
	same := calls == w.seen
	w.seen = calls
	switch {
	case !same:
		w.quiet = 0
		return busy
	case w.lead.led.Load() == 0:
		return stuck
	}
	w.quiet++
	return quiet
}
