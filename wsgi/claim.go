package wsgi

import (
	"sync/atomic"
	"time"

	"gosrv/cpython"
	"gosrv/wsgi/loop"
)

// claim settles who answers a request that takes long: the call that runs it,
// or the watchdog. It is one word that both change by compare-and-swap only:
//
//	0                 the slot is not inside the application
//	start             it is, since start (CLOCK_MONOTONIC ns), and nothing was said yet
//	start | claimSaid the answer has begun: it is the call's
//	start | claimHold an interim answer is on its way: for a moment it is nobody's
//	claimTaken        the watchdog has it and looks at what belongs to the call, which waits
//	claimSettled      the watchdog has done with it; the call owns its things again
type claim struct{ word atomic.Int64 }

const (
	claimSaid int64 = 1
	claimHold int64 = 2
	claimBits       = claimSaid | claimHold

	claimTaken   int64 = -1
	claimSettled int64 = -2
)

// claimLook is how often a call looks whether the watchdog has done, which
// takes the time of one send.
const claimLook = 20 * time.Microsecond

// begin is for the moment in which the slot enters the application.
func (k *claim) begin(now int64, said bool) {
	now &^= claimBits
	if said {
		now |= claimSaid
	}
	k.word.Store(now)
}

// say makes the answer the call's; false: the watchdog has given one. over says
// that the application is done with the request: nothing is left to watch.
func (k *claim) say(over bool) bool {
	word := k.word.Load()
	said := word | claimSaid
	if over {
		said = 0
	}
	return word >= 0 && (k.word.CompareAndSwap(word, said) || k.say(over))
}

// hold keeps the watchdog from answering while an interim answer is sent; false:
// it has answered.
func (k *claim) hold() bool {
	word := k.word.Load()
	return word >= 0 && (k.word.CompareAndSwap(word, word|claimHold) || k.hold())
}

// unhold ends hold.
func (k *claim) unhold() { k.word.And(^claimHold) }

// progress lets the time begin again: the request is not stuck.
func (k *claim) progress(now int64) {
	if word := k.word.Load(); word > 0 {
		k.word.CompareAndSwap(word, now&^claimBits|word&claimBits)
	}
}

// end is for the moment in which the slot comes back from the application. It
// returns when nobody else looks at what belongs to the call, and tells whether
// the watchdog had it.
func (k *claim) end() bool {
	for {
		word := k.word.Load()
		switch {
		case word == 0:
			return false
		case word == claimTaken:
			time.Sleep(claimLook)
		case k.word.CompareAndSwap(word, 0):
			return word == claimSettled
		}
	}
}

// take is the watchdog's: it makes the request its own, if the word is still
// what it has read.
func (k *claim) take(word int64) bool { return k.word.CompareAndSwap(word, claimTaken) }

// since is when the slot has entered the application, 0 if it is not in it. What
// the watchdog has taken began before all else.
func (k *claim) since() int64 {
	word := k.word.Load()
	if word < 0 {
		return 1
	}
	return word &^ claimBits
}

// settle ends take.
func (k *claim) settle() { k.word.Store(claimSettled) }

// watched says that the slot enters the application for this answer.
func (s *slot) watched(a *answer) {
	if s.w.watch != nil {
		s.claim.begin(a.resumed, a.begun)
	}
}

// unwatched says that it has come back.
func (s *slot) unwatched() {
	if s.w.watch != nil && s.claim.end() {
		s.w.lost.Add(-1)
	}
}

// saying is asked before the first byte of a final answer; false: the watchdog
// has answered, and whatever the call has to say is dropped.
func (s *slot) saying(a *answer) bool {
	if a.lost {
		return false
	}
	if s.w.watch != nil && !s.claim.say(a.state == cpython.Done) {
		s.claim.wait()
		a.lost, a.logged = true, true
		return false
	}
	return true
}

// wait returns when the watchdog has done with the request.
func (k *claim) wait() {
	for k.word.Load() == claimTaken {
		time.Sleep(claimLook)
	}
}

// forfeit ends a call whose request the watchdog has answered.
func (s *slot) forfeit(a *answer) verdict {
	s.finish(a)
	a.segs, a.fileLeft = [3][]byte{}, 0
	return lost
}

// runSignals is RunSignals, watched: a handler may get stuck.
func (s *slot) runSignals() cpython.Flags {
	if s.w.watch != nil {
		s.claim.begin(loop.Now(), true)
		defer s.unwatched()
	}
	return s.app.RunSignals()
}

// finish ends the application's call, if it lives.
func (s *slot) finish(a *answer) {
	if a.res.Handle != nil {
		if s.w.watch != nil && s.claim.word.Load() == 0 {
			s.claim.begin(loop.Now(), true) // close() may get stuck, too
			defer s.unwatched()
		}
		s.app.Finish(&a.res)
	}
	s.keepNotes(a)
	a.state = cpython.Done
}
