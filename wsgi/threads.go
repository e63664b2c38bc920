package wsgi

import (
	"runtime"

	"gosrv/wsgi/loop"
)

// work is the life of one thread of the crew: it leads, waits, stands by, or
// goes on with suspended calls of its own, until the worker ends.
func (s *slot) work(leads bool) {
	s.serveCrew(leads)
	for c := s.nextTodo(); c != nil; c = s.nextTodo() {
		s.finish(c.ans)
	}
	s.crew.gone.Store(true)
	s.w.crew.out.Add(1)
	s.w.crew.ended.Wake()
}

func (s *slot) serveCrew(leads bool) {
	w, k := s.w, &s.w.crew
	for !k.over.Load() {
		if !leads {
			leads = s.await()
			continue
		}
		if w.ended() {
			s.shut()
			k.over.Store(true)
			k.wakeAll()
			k.ended.Wake()
			return
		}
		leads = s.turn()
	}
}

// await waits until there is something for this thread to do, and reports
// whether it is to lead.
func (s *slot) await() bool {
	k := &s.w.crew
	if c := s.nextTodo(); c != nil {
		k.succeed(s)
		return s.goOn(c)
	}
	k.mu.Lock()
	if k.over.Load() {
		k.mu.Unlock()
		return false
	}
	if k.standby == nil {
		k.standby = s
		k.guard.Store(watching)
	}
	if k.standby == s {
		k.mu.Unlock()
		return s.standBy()
	}
	k.waiting = append(k.waiting, s)
	k.mu.Unlock()
	s.crew.signal.Wait(0)
	return s.called()
}

// succeed has another thread stand by for s, which goes into the application.
// Whoever has laid the lead down last has raised nobody if s was to watch.
func (k *crew) succeed(s *slot) {
	k.mu.Lock()
	if k.standby == s {
		k.standby = nil
		k.guard.Store(noStandby)
	}
	k.mu.Unlock()
	if k.guard.Load() == noStandby {
		k.raiseStandby()
	}
}

// called leaves the list of those who wait and reports whether the lead was
// given to this thread.
func (s *slot) called() bool {
	k := &s.w.crew
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, other := range k.waiting {
		if other == s {
			k.waiting = append(k.waiting[:i], k.waiting[i+1:]...)
			break
		}
	}
	heir := s.crew.heir
	s.crew.heir = false
	return heir
}

// standBy watches the leader. It reports whether this thread leads now.
func (s *slot) standBy() bool {
	k := &s.w.crew
	seen, quiet := k.calls.Load(), 0
	for !k.over.Load() {
		wait := int64(tick)
		if quiet >= quietTicks && k.doze() {
			wait = 0
		}
		if s.crew.signal.Wait(wait) {
			quiet = 0
			seen = k.calls.Load()
			if s.dismissed() {
				return s.called()
			}
			continue
		}
		calls := k.calls.Load()
		switch {
		case k.lead.Load() == 0 && calls == seen && k.lead.CompareAndSwap(0, 1):
			k.mu.Lock()
			k.standby = nil
			k.guard.Store(noStandby)
			k.mu.Unlock()
			return true
		case calls == seen:
			quiet++
		default:
			quiet = 0
		}
		seen = calls
	}
	return false
}

// doze makes a standby sleep until the next call; false if one is running.
// Looking after announcing it is what keeps a call from slipping through: the
// leader lays the lead down first and looks at the announcement then.
func (k *crew) doze() bool {
	if !k.guard.CompareAndSwap(watching, dozing) {
		return false
	}
	return k.lead.Load() != 0 || !k.guard.CompareAndSwap(dozing, watching)
}

// dismissed tells whether a standby that was woken has something else to do
// than to watch.
func (s *slot) dismissed() bool {
	k := &s.w.crew
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.standby == s && (len(s.crew.todo) > 0 || s.crew.heir) {
		k.standby = nil
		k.guard.Store(noStandby)
	}
	if k.standby == s {
		k.guard.Store(watching)
	}
	return k.standby != s
}

// wakeAll ends every wait.
func (k *crew) wakeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.waiting {
		s.crew.signal.Set()
	}
	if k.standby != nil {
		k.standby.crew.signal.Set()
	}
}

// kick makes whoever leads look at the orders.
func (w *worker) kick() {
	if w.crew.size > 1 && w.crew.asleep.Load() == 1 {
		w.crew.waker.Wake()
	}
}

// newCrew prepares for so many threads beside the main thread.
func (w *worker) newCrew(size int) error {
	k := &w.crew
	k.size = size
	if size == 1 {
		return nil
	}
	// Every thread that comes out of the application needs a P at once. More
	// of them than cores do no harm: the GIL lets one thread run.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), size+2))
	var err error
	if k.waker, err = loop.NewWaker(); err != nil {
		return err
	}
	if k.ended, err = loop.NewWaker(); err != nil {
		return err
	}
	if e := w.poll.Add(k.waker.FD(), special, loop.ReadLevel); e != loop.None {
		return e
	}
	k.lead.Store(1) // the first thread's
	k.begun = make(chan struct{})
	return nil
}

// show puts a request on the scoreboard, which shows the oldest that runs.
func (w *worker) show(s *slot, started int64, method, path []byte) {
	k := &w.crew
	if k.size == 1 {
		if method != nil {
			w.score.Begin(started, method, path)
		}
		return
	}
	if method == nil {
		return
	}
	m := &s.crew
	k.mu.Lock()
	m.start = started
	m.method = copy(m.text[:24], method)
	m.path = copy(m.text[m.method:], path)
	if k.shown == nil {
		k.shown = s
		w.score.Begin(started, method, path)
	}
	k.mu.Unlock()
}

// unshow takes the slot's request off the scoreboard.
func (w *worker) unshow(s *slot) {
	k := &w.crew
	if k.size == 1 {
		if s.n == 0 {
			w.score.End()
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.crew.start = 0
	if k.shown != s {
		return
	}
	k.shown = nil
	for _, other := range w.slots {
		if m := &other.crew; m.start != 0 && (k.shown == nil || m.start < k.shown.crew.start) {
			k.shown = other
		}
	}
	if k.shown == nil {
		w.score.End()
		return
	}
	m := &k.shown.crew
	w.score.Begin(m.start, m.text[:m.method], m.text[m.method:m.method+m.path])
}
