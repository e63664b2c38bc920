package wsgi

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

const (
	// tick is how often the standby looks whether the leader is stuck inside
	// the application, in ns. It takes over at the second look: after one to
	// two ticks.
	tick = 400_000
	// quietTicks is after how many looks at an idle leader it goes to sleep.
	quietTicks = 4
	// slow is the call, in ns, after which the next leader is woken at once.
	slow = 500_000
	// slowPoints is what such a call counts; a quick one takes a point off. A
	// thread that merely lost its processor for a while does not make the crew
	// eager: that needs slow calls in a row, or every eighth.
	slowPoints  = 8
	eagerPoints = 20
	mostPoints  = 64
)

// crew is the threads of a worker, each a slot. One of them leads: it polls,
// reads and parses, and everything in worker without a guard is its own. It
// lays the lead down before it calls the application and takes it up again
// afterwards, which is two atomic operations while nobody else wants it. A
// standby looks in every tick; only when the leader is still inside the same
// call does it take over. So short calls run on one thread, without a hop and
// without a queue for the GIL, and a long one holds nobody up.
//
// A thread that comes back and finds another leading hands its connection over
// (back) and joins those who wait. A call that is suspended belongs to its
// thread: what there is to do for it waits in that thread's todo.
type crew struct {
	size   int           // threads; 1: no crew, the main thread serves
	lead   atomic.Uint32 // 1 while a thread leads
	calls  atomic.Uint32 // how often the lead was laid down
	asleep atomic.Uint32 // 1 while the leader waits for events, or is about to
	eager  atomic.Int32  // points: above eagerPoints calls have been slow and idle lately
	over   atomic.Bool   // the worker ends
	out    atomic.Int32  // threads that have ended, with close() called for all that was suspended
	begun  chan struct{} // closed when all threads are there: a call that keeps the GIL would hold up their start
	guard  atomic.Uint32 // what the standby is at: noStandby, watching, dozing

	waker *loop.Waker // interrupts the leader's wait
	ended *loop.Waker // tells the main thread that the worker has ended

	mu      sync.Mutex
	back    []*conn // served, for the leader to settle
	backlen atomic.Int32
	waiting []*slot // asleep
	standby *slot
	shown   *slot // whose request the scoreboard shows
}

const (
	noStandby uint32 = iota
	watching
	dozing
)

// member is a slot's part of the crew.
type member struct {
	signal loop.Signal
	heir   bool        // the lead was given to it; guarded by crew.mu
	gone   atomic.Bool // the thread has ended, with close() called for what it had suspended
	todo   []*conn     // suspended calls to go on with; guarded by crew.mu
	cpu    int64       // this thread's CPU time, ns, after its last slow call
	start  int64       // of the request that runs, 0: none; guarded by crew.mu
	text   [160]byte
	method int // length in text
	path   int
}

// enter lends the thread to the application. method is nil when a suspended
// answer goes on.
func (s *slot) enter(c *conn, a *answer, method, path []byte) {
	w := s.w
	c.phase, c.slot = serving, s.n
	s.cur, s.curAns = c, a
	s.startDeadline(a)
	w.show(s, a.started, method, path)
	s.layDown()
}

// leave takes the thread back with what came of the answer. It reports whether
// the thread leads; if not, the connection has been handed over.
func (s *slot) leave(c *conn, v verdict) bool {
	w, a := s.w, s.curAns
	if c.ans != nil {
		a = c.ans
	}
	s.stopDeadline()
	s.cur, s.curAns = nil, nil
	s.report(c, a, v)
	w.unshow(s)
	k := &w.crew
	if k.size > 1 {
		s.weigh(a)
		if !k.lead.CompareAndSwap(0, 1) {
			if c.ans == nil {
				kept := *a
				c.ans = &kept
			}
			if v == sent && a.parting(c) {
				c.wire.HalfClose() // the leader may be long in coming to it, and the last bytes wait for the end
			}
			k.handBack(c, v)
			return false
		}
	} else {
		if w.relief != nil {
			s.takeBack()
		}
		if s.now-a.resumed >= stuck && loop.WaitReadable(w.controlFD(), 0) {
			s.release()
			w.control() // what it was told meanwhile comes before new connections
		}
	}
	w.now = max(w.now, s.now)
	if w.outbox.leave(c, v) {
		return true
	}
	if v != sent {
		s.sendKept() // what the connection has in the outbox comes before its end
	}
	s.settle(c, a, v)
	return true
}

// layDown gives the lead up: to a thread that is woken at once if calls have
// been slow lately, else to whoever finds that this one takes too long.
func (k *crew) layDown() {
	k.calls.Add(1)
	if k.eager.Load() > eagerPoints {
		if heir := k.pickHeir(); heir != nil {
			heir.crew.signal.Set()
			return
		}
	}
	k.lead.Store(0)
	if k.guard.Load() != watching {
		k.raiseStandby()
	}
}

// pickHeir chooses who leads next; nil if no thread is free.
func (k *crew) pickHeir() *slot {
	k.mu.Lock()
	defer k.mu.Unlock()
	heir := k.standby
	if n := len(k.waiting); n > 0 {
		heir = k.waiting[n-1]
		k.waiting = k.waiting[:n-1]
	} else {
		k.standby = nil
		k.guard.Store(noStandby)
	}
	if heir != nil {
		heir.crew.heir = true
	}
	return heir
}

// raiseStandby sees to it that somebody watches, if anybody is free.
func (k *crew) raiseStandby() {
	k.mu.Lock()
	s := k.standby
	if n := len(k.waiting); s == nil && n > 0 {
		s = k.waiting[n-1]
		k.waiting = k.waiting[:n-1]
		k.standby = s
	}
	if s != nil {
		k.guard.Store(watching)
	}
	k.mu.Unlock()
	if s != nil {
		s.crew.signal.Set()
	}
}

// handBack leaves a served connection to the leader.
func (k *crew) handBack(c *conn, v verdict) {
	k.mu.Lock()
	c.verdict = v
	k.back = append(k.back, c)
	k.backlen.Add(1)
	k.mu.Unlock()
	if k.asleep.Load() == 1 {
		k.waker.Wake()
	}
}

// returned settles what other threads have handed back. It reports whether
// this thread still leads.
func (s *slot) returned() bool {
	k := &s.w.crew
	for k.backlen.Load() > 0 {
		k.mu.Lock()
		n := len(k.back)
		c := k.back[n-1]
		k.back = k.back[:n-1]
		k.backlen.Add(-1)
		k.mu.Unlock()
		s.settle(c, c.ans, c.verdict)
		if !s.follow(c) {
			return false
		}
	}
	return k.size == 1 && !s.w.reliefLed() || s.doTodo()
}

// delegate gives a suspended call to the thread it belongs to. The caller
// leads and goes on leading.
func (w *worker) delegate(c *conn, abort bool) {
	k, owner := &w.crew, w.slots[c.slot]
	c.phase = serving
	c.aborted = c.aborted || abort
	k.mu.Lock()
	owner.crew.todo = append(owner.crew.todo, c)
	k.mu.Unlock()
	owner.crew.signal.Set()
}

// doTodo goes on with this thread's suspended calls. It reports whether the
// thread leads, given that it leads now.
func (s *slot) doTodo() bool {
	for {
		c := s.nextTodo()
		if c == nil {
			return true
		}
		s.layDown()
		if !s.goOn(c) {
			return false
		}
	}
}

func (s *slot) hasTodo() bool {
	k := &s.w.crew
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(s.crew.todo) > 0
}

func (s *slot) nextTodo() *conn {
	k := &s.w.crew
	k.mu.Lock()
	defer k.mu.Unlock()
	m := &s.crew
	if len(m.todo) == 0 {
		return nil
	}
	c := m.todo[0]
	m.todo = append(m.todo[:0], m.todo[1:]...)
	return c
}

// goOn is one suspended call of this thread, which does not lead. It reports
// whether it does afterwards.
func (s *slot) goOn(c *conn) bool {
	a := c.ans
	s.cur, s.curAns = c, a
	a.resumed = loop.Now()
	s.startDeadline(a)
	v := cut
	if c.aborted {
		s.finish(a)
	} else {
		v = s.carry(c, a)
	}
	return s.leave(c, v) && s.follow(c)
}

// rests announces that the leader is going to wait for events; false if there
// is something to do after all.
func (s *slot) rests() bool {
	k := &s.w.crew
	if k.size == 1 {
		return s.w.relief == nil || !s.w.relief.led
	}
	k.asleep.Store(1)
	// What there is to do for this thread was put there before it led.
	if k.backlen.Load() > 0 || s.w.orders.Load() != 0 || s.hasTodo() {
		k.asleep.Store(0)
		return false
	}
	return true
}

// woke ends what rests began.
func (s *slot) woke() {
	if s.w.crew.size > 1 {
		s.w.crew.asleep.Store(0)
	}
}

// weigh remembers whether calls are slow because they wait. A thread that
// waits leaves the GIL to others, so the lead is worth passing on at once; one
// that computes holds it, and a second thread could only queue for it.
func (s *slot) weigh(a *answer) {
	k := &s.w.crew
	took := s.now - a.resumed
	if took < slow {
		if e := k.eager.Load(); e > 0 {
			k.eager.Store(e - 1)
		}
		return
	}
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	used := ts.Nano() - s.crew.cpu
	s.crew.cpu = ts.Nano()
	if used < took/2 {
		k.eager.Store(min(k.eager.Load()+slowPoints, mostPoints))
	}
}
