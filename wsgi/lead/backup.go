package lead

import (
	"sync/atomic"

	"gosrv/wsgi/loop"
)

// Backup is a main thread, which makes the calls, and one that leads while the
// main thread is stuck in one. The main thread asks for the lead when it comes
// back, and waits for the few microseconds that one event takes.
type Backup[S any] struct {
	Lead[S]
	wanted atomic.Uint32 // 1: the main thread waits for the lead
	over   atomic.Bool
	signal loop.Signal // wakes the backup
	back   loop.Signal // tells the main thread that it leads
}

// NewBackup makes one; the caller is the main thread and leads. The second
// thread is to call StandBy.
func NewBackup[S any](state *S) (*Backup[S], error) {
	b := &Backup[S]{}
	b.guard.Store(watching)
	return b, b.init(state)
}

// Release is the main thread's before a call.
func (b *Backup[S]) Release() {
	b.calls.Add(1)
	b.GiveBack()
}

// Borrow gives the main thread the lead for a moment inside a call; nil: the
// backup has it. It is the same call afterwards, so nothing is counted.
func (b *Backup[S]) Borrow() *S { return b.Acquire() }

// GiveBack ends what Borrow began.
func (b *Backup[S]) GiveBack() {
	if !b.release() && b.guard.CompareAndSwap(dozing, watching) {
		b.signal.Set()
	}
}

// Reclaim is the main thread's after it. It reports whether the backup has led
// meanwhile.
func (b *Backup[S]) Reclaim() (state *S, led bool) {
	if state := b.Acquire(); state != nil {
		return state, false
	}
	b.wanted.Store(1)
	b.Interrupt()
	b.back.Wait(0)
	return b.state, true
}

// StandBy waits until the main thread has been in the same call for one to two
// ticks (ns), and returns the lead; nil: the end has come. excused, asked at each
// look, tells whether the main thread would come back by itself if it could run.
func (b *Backup[S]) StandBy(tick int64, excused func() bool) *S {
	w := b.watch(tick)
	for !b.over.Load() {
		found := w.wait(&b.signal)
		if found == called {
			continue
		}
		if excuse := excused(); found == stuck && !excuse {
			if state := b.Acquire(); state != nil {
				return state
			}
		}
	}
	return nil
}

// Wanted tells the backup that it is to Return the lead.
func (b *Backup[S]) Wanted() bool { return b.wanted.Load() != 0 }

// Return gives the lead to the main thread, which waits for it.
func (b *Backup[S]) Return() {
	b.wanted.Store(0)
	b.back.Set()
}

// End lets StandBy return. The main thread, which leads, calls it.
func (b *Backup[S]) End() {
	b.over.Store(true)
	b.signal.Set()
}
