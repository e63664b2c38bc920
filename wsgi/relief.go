package wsgi

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

const (
	// reliefTick is how often, in ns, the relief looks whether the main thread
	// is stuck inside the application. It takes over at the second look, unless
	// the main thread is merely kept from running.
	reliefTick = 2_000_000
	// stuck is the call, in ns, whose worker is not expected back at once.
	stuck = 2 * reliefTick
	// sweepEvery is how often, in ns, it looks after what it holds; acceptEvery
	// after what it may have to accept.
	sweepEvery  = 1_000_000
	acceptEvery = 5_000_000
)

// relief is a thread of a worker with one application thread. It stands by as
// the crew's standby does; when the main thread stays inside the application it
// leads the loop: polls, reads, parses, keeps the time-outs. It never enters
// Python: a request that is complete is offered to other workers (held.go) and
// kept until one of them takes it or the main thread comes back.
//
// The lead is laid down and taken up again by one atomic operation each. Where
// the relief has it, the main thread asks for it and waits for the few
// microseconds that one event takes.
type relief struct {
	slot   *slot
	lead   atomic.Uint32 // 1 while a thread leads
	calls  atomic.Uint32 // how often the lead was laid down
	guard  atomic.Uint32 // watching or dozing
	wanted atomic.Uint32 // 1: the main thread waits for the lead
	asleep atomic.Uint32 // 1 while the relief waits for events, or is about to
	over   atomic.Bool   // the worker ends

	main   runner      // the main thread
	signal loop.Signal // wakes the relief
	back   loop.Signal // tells the main thread that it leads
	waker  *loop.Waker // interrupts the relief's wait for events

	// Guarded by the lead.
	led    bool   // the relief led since the main thread has looked last
	swept  bool   // the accept queues were looked into
	held   []held // complete requests, in order of arrival
	looked int64  // CLOCK_MONOTONIC ns of the last look at the scoreboard
	brisk  bool   // what it said: another worker takes requests
	idle   bool   // and one waits for work
}

// newRelief starts the thread.
func (w *worker) newRelief() error {
	r := &relief{slot: w.newSlot(1, nil), main: newRunner()}
	var err error
	if r.waker, err = loop.NewWaker(); err != nil {
		return fmt.Errorf("starting the relief: %w", err)
	}
	for _, fd := range [...]int{r.waker.FD(), r.main.stat, w.exchange.in, w.exchange.out} {
		w.own(fd, true)
	}
	if e := w.poll.Add(r.waker.FD(), special, loop.ReadLevel); e != loop.None {
		return fmt.Errorf("starting the relief: %w", e)
	}
	r.lead.Store(1)
	r.guard.Store(watching)
	w.exchange.claims.Inherit(w.id.Slot)
	w.relief = r
	w.slots = append(w.slots, r.slot)
	// Both threads need a P at once when they come out of their waits.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 3))
	go r.slot.standByMain()
	return nil
}

// reliefLed tells whether the relief led since it was last asked: it may have
// left something to the main thread.
func (w *worker) reliefLed() bool {
	led := w.relief != nil && w.relief.led
	if led {
		w.relief.led = false
	}
	return led
}

// end lets the thread go. The caller leads.
func (r *relief) end() {
	r.over.Store(true)
	r.signal.Set()
}

// relieves tells whether the slot is the relief's.
func (s *slot) relieves() bool { return s.w.relief != nil && s.w.relief.slot == s }

// layDown gives the lead of a crew, or that of a worker with a relief, up. The
// relief itself keeps it: it calls no application.
func (s *slot) layDown() {
	w := s.w
	switch {
	case w.crew.size > 1:
		w.crew.layDown()
	case w.relief != nil && s.n == 0:
		r := w.relief
		r.calls.Add(1)
		r.lead.Store(0)
		if r.guard.Load() == dozing && r.guard.CompareAndSwap(dozing, watching) {
			r.signal.Set()
		}
	}
}

// takeBack gives the main thread the lead that it has laid down.
func (s *slot) takeBack() {
	r := s.w.relief
	if s.n != 0 || r.lead.CompareAndSwap(0, 1) {
		return
	}
	r.wanted.Store(1)
	if r.asleep.Load() == 1 {
		r.waker.Wake()
	}
	r.back.Wait(0)
	s.unholdAll()
	s.w.openDoors()
}

// borrow takes the lead for a moment inside a call of the main thread; false if
// the relief has it. It is the same call afterwards, so nothing is counted.
func (r *relief) borrow() bool { return r == nil || r.lead.CompareAndSwap(0, 1) }

// giveBack ends what borrow began.
func (r *relief) giveBack() {
	if r != nil {
		r.lead.Store(0)
	}
}

// standByMain is the life of the relief.
func (s *slot) standByMain() {
	runtime.LockOSThread()
	r := s.w.relief
	seen, quiet := r.calls.Load(), 0
	for !r.over.Load() {
		wait := int64(reliefTick)
		if quiet >= quietTicks && r.doze() {
			wait = 0
		}
		if r.signal.Wait(wait) {
			quiet = 0
			seen = r.calls.Load()
			continue
		}
		calls, ran := r.calls.Load(), r.main.ran()
		switch {
		case calls != seen:
			quiet = 0
		case r.lead.Load() == 0 && ran < reliefTick/2 && r.main.runnable():
			// It would come back if others left it a processor: these need no help,
			// and what the relief did instead would cost it more time.
		case r.lead.CompareAndSwap(0, 1):
			s.relieve()
		default:
			quiet++
		}
		seen = calls
	}
}

// doze makes the relief sleep until the next call; false if one is running. As
// with the crew's standby, looking after announcing it keeps a call from
// slipping through.
func (r *relief) doze() bool {
	if !r.guard.CompareAndSwap(watching, dozing) {
		return false
	}
	return r.lead.Load() != 0 || !r.guard.CompareAndSwap(dozing, watching)
}

// relieve leads the loop until the main thread wants to.
func (s *slot) relieve() {
	w, r := s.w, s.w.relief
	w.closeDoors()
	r.led, r.swept = true, false
	s.sendKept() // their next requests need not wait for the main thread
	for r.wanted.Load() == 0 {
		w.now = loop.Now()
		if ev, ok := w.poll.Next(); ok {
			s.dispatch(ev)
			continue
		}
		s.expire()
		s.takeTurns()
		s.sweep()
		if w.poll.Poll() == 0 {
			s.nap()
		}
	}
	r.wanted.Store(0)
	r.back.Set()
}

// nap waits for events.
func (s *slot) nap() {
	w, r := s.w, s.w.relief
	next := w.timers.Next()
	switch {
	case len(r.held) > 0:
		next = min(next, w.now+sweepEvery)
	case !r.swept:
		next = min(next, w.now+acceptEvery)
	}
	wait := w.until(next)
	r.asleep.Store(1)
	if r.wanted.Load() == 0 {
		w.poll.Wait(wait)
	}
	r.asleep.Store(0)
}

// closeDoors takes out of the epoll set what only the main thread may answer:
// new connections and offers, which others are to take meanwhile, orders, and
// Python's signals.
func (w *worker) closeDoors() {
	for _, l := range w.listeners {
		l.parked = l.active
		w.unlisten(l)
	}
	w.exchange.parked = w.exchange.active
	w.shutExchange()
	for _, fd := range [...]int{w.controlFD(), w.wakeup} {
		if fd >= 0 {
			w.poll.Remove(fd)
		}
	}
}

// openDoors undoes that. The gate may have been shut meanwhile.
func (w *worker) openDoors() {
	x := &w.exchange
	for _, l := range w.listeners {
		if l.parked && !w.gate.shut {
			w.reopen(l.fd, loop.ReadShared)
			l.active = true
		}
		l.parked = false
	}
	if x.parked && !w.gate.shut {
		w.reopen(x.out, loop.ReadShared)
		x.active = true
	}
	x.parked = false
	for _, fd := range [...]int{w.controlFD(), w.wakeup} {
		if fd >= 0 {
			w.reopen(fd, loop.ReadLevel)
		}
	}
}

func (w *worker) reopen(fd int, interest uint32) {
	if e := w.poll.Add(fd, special, interest); e != loop.None && e != unix.EEXIST {
		w.log.Errorf("epoll refuses a descriptor: %v", e)
	}
}
