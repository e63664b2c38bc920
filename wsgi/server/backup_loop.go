package server

import (
	"fmt"
	"runtime"

	"gosrv/wsgi/lead"
	"gosrv/wsgi/loop"
)

const (
	// backupTick is how often, in ns, the backup looks whether the main thread
	// is stuck inside the application. It takes over at the second look, unless
	// the main thread is merely kept from running.
	backupTick = 2_000_000
	// stuck is the call, in ns, whose worker is not expected back at once.
	stuck = 2 * backupTick
	// sweepEvery is how often, in ns, it looks after what it keeps; acceptEvery
	// after what it may have to accept.
	sweepEvery  = 1_000_000
	acceptEvery = 5_000_000
)

// backup is a thread of a worker with one application thread. When the main
// thread stays inside the application it leads the loop: polls, reads, parses,
// keeps the time-outs. It never enters Python: a request that is complete is
// offered to other workers (handover.go) and kept until one of them takes it or the
// main thread comes back.
type backup struct {
	*lead.Backup[eventLoop]
	thread *appThread
	main   lead.MainThread // the main thread
}

// newBackup starts the thread.
func newBackup(w *eventLoop) error {
	b := &backup{thread: newAppThread(w, 1, nil), main: lead.NewMainThread()}
	var err error
	if b.Backup, err = lead.NewBackup(w); err != nil {
		return fmt.Errorf("starting the backup loop: %w", err)
	}
	in, out := w.sources.exchange.FDs() // of a worker that was alone
	for _, fd := range [...]int{b.Waker().FD(), b.main.FD(), in, out} {
		w.Own(fd, true)
	}
	if e := w.poll.Add(b.Waker().FD(), special, loop.ReadLevel); e != loop.None {
		return fmt.Errorf("starting the backup loop: %w", e)
	}
	w.sources.exchange.Inherit(w.id.Slot)
	w.crew.backup = b
	w.threads = append(w.threads, b.thread)
	// Both threads need a P at once when they come out of their waits.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 3))
	go b.standByMain()
	return nil
}

// standByMain is the life of the backup.
func (b *backup) standByMain() {
	runtime.LockOSThread()
	loop.KeepTime()
	s := b.thread
	excused := func() bool {
		// A main thread that would come back if others left it a processor needs no
		// help, and what the backup did instead would cost it more time.
		return b.main.Ran() < backupTick/2 && b.main.Runnable()
	}
	for {
		if s.l = b.StandBy(backupTick, excused); s.l == nil {
			return
		}
		b.leadMeanwhile()
		s.l = nil
		b.Return()
	}
}

// leadMeanwhile leads the loop until the main thread wants to.
func (b *backup) leadMeanwhile() {
	s := b.thread
	w := s.l
	w.pauseMainEvents()
	w.handover.led, w.handover.swept = true, false
	s.sendKept() // their next requests need not wait for the main thread
	for !b.Wanted() {
		w.now = loop.Now()
		w.showStates(w.now)
		if ev, ok := w.poll.Next(); ok {
			s.l.dispatch(s, ev)
			continue
		}
		s.l.expire(s)
		s.l.takeTurns(s)
		s.l.handover.sweep(s)
		if !w.polls.Found(w.poll.Poll()) {
			b.nap()
		}
		w.polls.Note(loop.Now())
	}
}

// nap waits for events.
func (b *backup) nap() {
	w := b.thread.l
	next := min(w.timers.Next(), w.showDue)
	switch {
	case len(w.handover.waiting) > 0:
		next = min(next, w.now+sweepEvery)
	case !w.handover.swept:
		next = min(next, w.now+acceptEvery)
	}
	wait := w.until(next)
	b.Rest()
	if !b.Wanted() {
		w.poll.Wait(wait)
	}
	b.Wake()
}

// pauseMainEvents takes out of the epoll set what only the main thread may answer:
// new connections and offers, which others are to take meanwhile, orders, and
// Python's signals.
func (w *eventLoop) pauseMainEvents() {
	w.sources.park()
	for _, fd := range [...]int{w.Control, w.Wakeup} {
		if fd >= 0 {
			w.poll.Remove(fd)
		}
	}
}

// resumeMainEvents undoes that. The gate may have been shut meanwhile.
func (w *eventLoop) resumeMainEvents() {
	w.sources.unpark(w.gate.shut)
	for _, fd := range [...]int{w.Control, w.Wakeup} {
		if fd >= 0 {
			w.sources.reopen(fd, loop.ReadLevel)
		}
	}
}
