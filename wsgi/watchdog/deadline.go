package watchdog

import (
	"sync/atomic"
	"time"
)

// Deadline settles who answers a request that takes long: the call that runs
// it, or the watchdog. It is one word that both change by compare-and-swap only:
//
//	0                   the thread is not inside the application
//	start               it is, since start (CLOCK_MONOTONIC ns), and nothing was said yet
//	start | committed   the answer has begun: it is the call's
//	start | paused      an interim answer is on its way: for a moment it is nobody's
//	expiring            the watchdog has it and looks at what belongs to the call, which waits
//	expired             the watchdog has done with it; the call owns its things again
//	waived              it is, and may be there for as long as it likes
//
// Start, Commit, Waive, Pause, Resume, Extend and Stop are the call's.
type Deadline struct{ word atomic.Int64 }

const (
	committed int64 = 1
	paused    int64 = 2
	bits            = committed | paused

	expiring int64 = -1
	expired  int64 = -2
	waived   int64 = -3 // without the bit of paused: Resume leaves it as it is
)

// pollEvery is how often a call looks whether the watchdog has done, which
// takes the time of one send.
const pollEvery = 20 * time.Microsecond

// Start is for the moment, CLOCK_MONOTONIC ns, in which the thread enters the
// application. said: an answer has begun before.
func (d *Deadline) Start(now int64, said bool) {
	now &^= bits
	if said {
		now |= committed
	}
	d.word.Store(now)
}

// Commit makes the answer the call's; false: the watchdog has given one, and
// has done with the request. over says that the application is done with the
// request: nothing is left to watch.
func (d *Deadline) Commit(over bool) bool {
	for {
		word := d.word.Load()
		said := word | committed
		if over {
			said = 0
		}
		if word == waived {
			return true
		}
		if word < 0 {
			d.wait()
			return false
		}
		if d.word.CompareAndSwap(word, said) {
			return true
		}
	}
}

// Waive gives the request all the time it likes, until Stop; false: the watchdog
// has answered it, and has done with it.
func (d *Deadline) Waive() bool {
	for {
		word := d.word.Load()
		if word == waived {
			return true
		}
		if word < 0 {
			d.wait()
			return false
		}
		if d.word.CompareAndSwap(word, waived) {
			return true
		}
	}
}

// Pause keeps the watchdog from answering while an interim answer is sent;
// false: it has answered.
func (d *Deadline) Pause() bool {
	for {
		word := d.word.Load()
		if word < 0 {
			return word == waived
		}
		if d.word.CompareAndSwap(word, word|paused) {
			return true
		}
	}
}

// Resume ends Pause.
func (d *Deadline) Resume() { d.word.And(^paused) }

// Extend lets the time begin again: the request is not stuck. Any thread may
// call it.
func (d *Deadline) Extend(now int64) {
	if word := d.word.Load(); word > 0 {
		d.word.CompareAndSwap(word, now&^bits|word&bits)
	}
}

// Stop is for the moment in which the thread comes back from the application.
// It returns when nobody else looks at what belongs to the call, and tells
// whether the watchdog had it.
func (d *Deadline) Stop() bool {
	for {
		word := d.word.Load()
		switch {
		case word == 0:
			return false
		case word == expiring:
			time.Sleep(pollEvery)
		case d.word.CompareAndSwap(word, 0):
			return word == expired
		}
	}
}

// Running tells whether the thread is inside the application.
func (d *Deadline) Running() bool { return d.word.Load() != 0 }

// Since is when the thread has entered the application, CLOCK_MONOTONIC ns; 0
// if it is not in it. What the watchdog has expired, or may not, began before all
// else.
func (d *Deadline) Since() int64 {
	word := d.word.Load()
	if word < 0 {
		return 1
	}
	return word &^ bits
}

// wait returns when the watchdog has done with the request.
func (d *Deadline) wait() {
	for d.word.Load() == expiring {
		time.Sleep(pollEvery)
	}
}

// expire is the watchdog's: it makes the request its own, if the word is still
// the one that was read.
func (d *Deadline) expire(word int64) bool { return d.word.CompareAndSwap(word, expiring) }

// release ends expire.
func (d *Deadline) release() { d.word.Store(expired) }
