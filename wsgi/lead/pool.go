package lead

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

const (
	// poolTick is how often, in ns, the standby looks whether the leader is stuck
	// inside a call. It takes over after one to two ticks.
	poolTick = 400_000
	// slow is the call, in ns, after which the next leader is woken at once.
	slow = 500_000
	// slowPoints is what such a call counts; a quick one takes a point off. A
	// thread that merely lost its processor for a while does not make the pool
	// eager: that needs slow calls in a row, or every eighth.
	slowPoints  = 8
	eagerPoints = 20
	mostPoints  = 64
)

// Pool is threads that lead in turns. A thread that comes back from a call and
// finds another one leading hands its work back (HandBack) and joins those who
// wait. Work that was suspended belongs to the thread that began it: Give puts it
// where that thread finds it. W is a piece of work.
type Pool[S, W any] struct {
	Lead[S]
	eager atomic.Int32 // points: above eagerPoints calls have been slow and idle lately
	over  atomic.Bool

	mu      sync.Mutex
	back    []W // handed back, for the leader
	backlen atomic.Int32
	waiting []*Thread[W] // asleep
	standby *Thread[W]
}

// Thread is one thread of a Pool.
type Thread[W any] struct {
	signal loop.Signal
	next   bool  // the lead was given to it; guarded by Pool.mu
	todo   []W   // work of its own to go on with; guarded by Pool.mu
	cpu    int64 // this thread's CPU time, ns, after its last slow call
}

// NewPool makes one; the caller leads.
func NewPool[S, W any](state *S) (*Pool[S, W], error) {
	p := &Pool[S, W]{}
	return p, p.init(state)
}

// Release gives the lead up before a call: to a thread that is woken at once if
// calls have been slow lately, else to whoever finds that this one takes too
// long.
func (p *Pool[S, W]) Release() {
	p.calls.Add(1)
	if p.eager.Load() > eagerPoints {
		if next := p.pickNext(); next != nil {
			next.signal.Set()
			return
		}
	}
	if !p.release() {
		p.raiseStandby()
	}
}

// pickNext chooses who leads next; nil if no thread is free.
func (p *Pool[S, W]) pickNext() *Thread[W] {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.standby
	if n := len(p.waiting); n > 0 {
		next = p.waiting[n-1]
		p.waiting = p.waiting[:n-1]
	} else {
		p.setStandby(nil)
	}
	if next != nil {
		next.next = true
	}
	return next
}

// setStandby has t watch, or nobody. mu is held.
func (p *Pool[S, W]) setStandby(t *Thread[W]) {
	p.standby = t
	if t == nil {
		p.guard.Store(nobody)
	} else {
		p.guard.Store(watching)
	}
}

// raiseStandby sees to it that somebody watches, if anybody is free.
func (p *Pool[S, W]) raiseStandby() {
	p.mu.Lock()
	t := p.standby
	if n := len(p.waiting); t == nil && n > 0 {
		t = p.waiting[n-1]
		p.waiting = p.waiting[:n-1]
	}
	if t != nil {
		p.setStandby(t)
	}
	p.mu.Unlock()
	if t != nil {
		t.signal.Set()
	}
}

// HandBack leaves work that the calling thread, which does not lead, has done
// its part of to the leader.
func (p *Pool[S, W]) HandBack(work W) {
	p.mu.Lock()
	p.back = append(p.back, work)
	p.backlen.Add(1)
	p.mu.Unlock()
	p.Interrupt()
}

// HasBack tells whether there is something to take back.
func (p *Pool[S, W]) HasBack() bool { return p.backlen.Load() > 0 }

// TakeBack gives the leader something that was handed back.
func (p *Pool[S, W]) TakeBack() (work W, ok bool) {
	if p.backlen.Load() == 0 {
		return work, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.back)
	work = p.back[n-1]
	p.back = p.back[:n-1]
	p.backlen.Add(-1)
	return work, true
}

// Give leaves suspended work to the thread that it belongs to. The leader calls
// it, and goes on leading.
func (p *Pool[S, W]) Give(t *Thread[W], work W) {
	p.mu.Lock()
	t.todo = append(t.todo, work)
	p.mu.Unlock()
	t.signal.Set()
}

// Todo gives the thread work of its own.
func (p *Pool[S, W]) Todo(t *Thread[W]) (work W, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(t.todo) == 0 {
		return work, false
	}
	work = t.todo[0]
	t.todo = append(t.todo[:0], t.todo[1:]...)
	return work, true
}

// HasTodo tells whether there is such work.
func (p *Pool[S, W]) HasTodo(t *Thread[W]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(t.todo) > 0
}

// Rest announces that the thread, which leads, is going to wait for events;
// false if there is something to do after all.
func (p *Pool[S, W]) Rest(t *Thread[W]) bool {
	p.Lead.Rest()
	// What there is for this thread was put there before it led.
	if p.HasTodo(t) || p.HasBack() {
		p.Wake()
		return false
	}
	return true
}

// Weigh remembers whether calls, such as this one of so many ns, are slow
// because they wait. A thread that waits leaves the processor to others, so the
// lead is worth passing on at once; one that computes keeps Python busy, and a
// second thread could only queue for it.
func (p *Pool[S, W]) Weigh(t *Thread[W], took int64) {
	if took < slow {
		if e := p.eager.Load(); e > 0 {
			p.eager.Store(e - 1)
		}
		return
	}
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	used := ts.Nano() - t.cpu
	t.cpu = ts.Nano()
	if used < took/2 {
		p.eager.Store(min(p.eager.Load()+slowPoints, mostPoints))
	}
}

// Await waits until there is something to do for a thread that does not lead:
// the lead, or work of its own. Neither: look again, unless Over.
func (p *Pool[S, W]) Await(t *Thread[W]) (state *S, work W, ok bool) {
	if work, ok = p.Todo(t); ok {
		p.succeed(t)
		return nil, work, true
	}
	p.mu.Lock()
	if p.over.Load() {
		p.mu.Unlock()
		return nil, work, false
	}
	if p.standby == nil {
		p.setStandby(t)
	}
	if p.standby == t {
		p.mu.Unlock()
		return p.standBy(t), work, false
	}
	p.waiting = append(p.waiting, t)
	p.mu.Unlock()
	t.signal.Wait(0)
	return p.given(t), work, false
}

// succeed has another thread stand by for t, which goes on with work. Whoever
// has released the lead last has raised nobody if t was to watch.
func (p *Pool[S, W]) succeed(t *Thread[W]) {
	p.mu.Lock()
	if p.standby == t {
		p.setStandby(nil)
	}
	p.mu.Unlock()
	if p.guard.Load() == nobody {
		p.raiseStandby()
	}
}

// given leaves the list of those who wait and takes the lead if it was given to
// this thread.
func (p *Pool[S, W]) given(t *Thread[W]) *S {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiting {
		if other == t {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			break
		}
	}
	if !t.next {
		return nil
	}
	t.next = false
	return p.state
}

// standBy watches the leader until the thread leads or has something else to do.
func (p *Pool[S, W]) standBy(t *Thread[W]) *S {
	w := p.watch(poolTick)
	for !p.over.Load() {
		switch w.wait(&t.signal) {
		case called:
			if p.dismissed(t) {
				return p.given(t)
			}
		case stuck:
			if state := p.Acquire(); state != nil {
				p.mu.Lock()
				p.setStandby(nil)
				p.mu.Unlock()
				return state
			}
		}
	}
	return nil
}

// dismissed tells whether a standby that was woken has something else to do
// than to watch.
func (p *Pool[S, W]) dismissed(t *Thread[W]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.standby == t && (len(t.todo) > 0 || t.next) {
		p.setStandby(nil)
	}
	if p.standby == t {
		p.guard.Store(watching)
	}
	return p.standby != t
}

// Over tells whether the end has come.
func (p *Pool[S, W]) Over() bool { return p.over.Load() }

// End lets every thread come back. The leader calls it.
func (p *Pool[S, W]) End() {
	p.over.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.waiting {
		t.signal.Set()
	}
	if p.standby != nil {
		p.standby.signal.Set()
	}
}
