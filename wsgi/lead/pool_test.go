package lead

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a thread of the walk is at.
const (
	leading = "leads"
	inCall  = "in a call"
	idle    = "idle"    // about to Await
	asleep  = "asleep"  // among those who wait
	standby = "standby" // watches, or dozes
	working = "works"   // goes on with work of its own, without the lead
)

// walk is a Pool whose threads are stepped by hand: no thread runs, so each
// step is whole, and every order of steps can be had.
type walk struct {
	p       *Pool[state, int]
	threads []*Thread[int]
	at      []string
	given   int // pieces of work given and not taken
	steps   []string
}

func newWalk(n int) *walk {
	w := &walk{p: &Pool[state, int]{}}
	w.p.state = &state{}
	w.p.led.Store(1)
	for range n {
		w.threads, w.at = append(w.threads, &Thread[int]{}), append(w.at, idle)
	}
	w.at[0] = leading
	return w
}

// step is one that a thread may take, or nil.
func (w *walk) step(i int, choice int) (name string, do func()) {
	p, t := w.p, w.threads[i]
	switch w.at[i] {
	case leading:
		switch choice {
		case 0:
			return "calls", func() { p.Release(); w.at[i] = inCall }
		case 1:
			return "slow call", func() { p.eager.Store(mostPoints); p.Release(); w.at[i] = inCall; p.eager.Store(0) }
		case 2:
			if other := (i + 1) % len(w.threads); w.given < 1 {
				return "gives", func() { p.Give(w.threads[other], 1); w.given++ }
			}
		}
	case inCall:
		if choice == 0 {
			return "comes back", func() {
				if p.Acquire() != nil {
					w.at[i] = leading
					return
				}
				w.at[i] = idle
			}
		}
	case idle, working:
		if choice == 0 {
			return "awaits", func() { w.await(i) }
		}
	case asleep:
		if choice == 0 && t.signal.IsSet() {
			return "is woken", func() {
				t.signal.Wait(1)
				w.at[i] = idle
				if p.given(t) != nil {
					w.at[i] = leading
				}
			}
		}
	case standby:
		return w.standbyStep(i, choice)
	}
	return "", nil
}

// await is Await up to where it blocks.
func (w *walk) await(i int) {
	p, t := w.p, w.threads[i]
	if _, ok := p.Todo(t); ok {
		w.given--
		p.succeed(t)
		w.at[i] = working
		return
	}
	if p.standby == nil {
		p.setStandby(t)
	}
	if w.at[i] = standby; p.standby != t {
		p.waiting = append(p.waiting, t)
		w.at[i] = asleep
	}
}

func (w *walk) standbyStep(i, choice int) (string, func()) {
	p, t := w.p, w.threads[i]
	if t.signal.IsSet() {
		return "standby is woken", func() {
			t.signal.Wait(1)
			if p.dismissed(t) {
				w.at[i] = idle
				if p.given(t) != nil {
					w.at[i] = leading
				}
			}
		}
	}
	switch choice {
	case 0:
		if p.guard.Load() == watching && p.led.Load() == 0 {
			return "takes over", func() {
				if p.Acquire() != nil {
					p.setStandby(nil)
					w.at[i] = leading
				}
			}
		}
	case 1:
		if p.guard.Load() == watching {
			return "dozes", func() { p.doze() }
		}
	}
	return "", nil
}

// check is what must be true after every step.
func (w *walk) check(t *testing.T) {
	leaders, free, watched := 0, 0, false
	for i, at := range w.at {
		switch at {
		case leading:
			leaders++
		case idle, working:
			free++ // it awaits next, and is the standby then if nobody is
		case asleep, standby:
			signalled := w.threads[i].signal.IsSet()
			watched = watched || signalled || at == standby && w.p.guard.Load() == watching
			if len(w.threads[i].todo) > 0 && !signalled {
				t.Fatalf("%q: thread %d sleeps over work of its own", w.steps, i)
			}
			free++
		}
	}
	given := 0
	for _, one := range w.threads {
		if one.next {
			given++
		}
	}
	if led := w.p.led.Load() == 1; leaders+given > 1 || led != (leaders+given == 1) {
		t.Fatalf("%q: %d threads lead, %d were given the lead, and it is held: %v", w.steps, leaders, given, led)
	}
	idleOnes := 0
	for _, at := range w.at {
		if at == idle || at == working {
			idleOnes++
		}
	}
	if w.p.led.Load() == 0 && free > 0 && idleOnes == 0 && !watched {
		t.Fatalf("%q: a call runs, threads are free, and nobody watches: %q", w.steps, w.at)
	}
}

// key is all that decides what may happen next.
func (w *walk) key() string {
	var b []byte
	for i, one := range w.threads {
		signalled := one.signal.IsSet()
		place := -1
		for n, other := range w.p.waiting {
			if other == one {
				place = n
			}
		}
		b = fmt.Appendf(b, "%s %v %v %d %d;", w.at[i], signalled, one.next, len(one.todo), place)
	}
	return string(fmt.Appendf(b, "%d %d", w.p.led.Load(), w.p.guard.Load()))
}

// Every state that three threads can come into is visited, from every other
// one: one leads at most, nobody sleeps over work, and a call that runs long is
// noticed if anybody is free.
func TestEveryStateOfAPool(t *testing.T) {
	type move struct{ thread, choice int }
	seen := map[string]bool{}
	queue := [][]move{nil}
	replay := func(moves []move) *walk {
		w := newWalk(3)
		for _, m := range moves {
			name, do := w.step(m.thread, m.choice)
			w.steps = append(w.steps, fmt.Sprint(m.thread, " ", name))
			do()
			w.check(t)
		}
		return w
	}
	for len(queue) > 0 {
		moves := queue[0]
		queue = queue[1:]
		w := replay(moves)
		for thread := range 3 {
			for choice := range 3 {
				if name, _ := w.step(thread, choice); name == "" {
					continue
				}
				next := append(append([]move(nil), moves...), move{thread, choice})
				if k := replay(next).key(); !seen[k] {
					seen[k] = true
					queue = append(queue, next)
				}
			}
		}
	}
	t.Logf("%d states", len(seen))
	if len(seen) < 100 {
		t.Errorf("only %d states were visited", len(seen))
	}
}

// turns is what the threads of a running Pool count.
type turns struct{ handed, taken, given, done atomic.Int32 }

// serve is the life of one of them, up to so many turns of all.
func (n *turns) serve(p *Pool[state, int], held *state, threads []Thread[int], i, most int) {
	runtime.LockOSThread()
	self, r := &threads[i], rand.New(rand.NewPCG(1, uint64(i)))
	for !p.Over() {
		if held == nil {
			var ok bool
			if held, _, ok = p.Await(self); ok {
				n.done.Add(1)
			}
			continue
		}
		for _, ok := p.TakeBack(); ok; _, ok = p.TakeBack() {
			n.taken.Add(1)
		}
		if held.n++; held.n == most {
			p.End()
			continue
		}
		if r.IntN(8) == 0 {
			p.Give(&threads[r.IntN(len(threads))], 1)
			n.given.Add(1)
		}
		p.Release()
		began := time.Now()
		if r.IntN(50) == 0 {
			time.Sleep(time.Millisecond)
		}
		p.Weigh(self, int64(time.Since(began)))
		if held = p.Acquire(); held == nil {
			p.HandBack(1)
			n.handed.Add(1)
		}
	}
	for _, ok := p.Todo(self); ok; _, ok = p.Todo(self) {
		n.done.Add(1)
	}
}

// Threads that run: what the leader touches is touched by one of them at a time
// (the race detector looks on), and all that was handed back or given is done.
func TestThreadsOfAPoolTakeTurns(t *testing.T) {
	st := &state{}
	p, err := NewPool[state, int](st)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Waker().Close()
	threads := make([]Thread[int], 4)
	var n turns
	var wg sync.WaitGroup
	for i := range threads {
		held := st
		if i != 0 {
			held = nil
		}
		wg.Go(func() { n.serve(p, held, threads, i, 3000) })
	}
	wg.Wait()
	for _, ok := p.TakeBack(); ok; _, ok = p.TakeBack() {
		n.taken.Add(1)
	}
	if n.handed.Load() != n.taken.Load() || n.given.Load() != n.done.Load() || n.handed.Load() == 0 {
		t.Errorf("%d handed back and %d taken, %d given and %d done", n.handed.Load(), n.taken.Load(), n.given.Load(), n.done.Load())
	}
}
