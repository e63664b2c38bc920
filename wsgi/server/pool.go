package server

import (
	"runtime"
	"sync/atomic"

	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/lead"
	"gosrv/wsgi/loop"
)

// pool is the threads of a worker with --threads. The main thread is none of
// them: it supervises.
type pool struct {
	*lead.Pool[eventLoop, *conn] // nil: the main thread serves

	size  int           // threads; 1: no pool
	out   atomic.Int32  // threads that have ended, with close() called for all that was suspended
	begun chan struct{} // closed when all threads are there: a call that keeps the GIL would hold up their start
	ended *loop.Waker   // makes the main thread look at the state of the worker

	first *eventLoop // the lead, for the first thread
	shown scoreboard.Oldest
}

// newPool prepares for so many threads beside the main thread.
func newPool(w *eventLoop, size int) error {
	p := &w.pool
	p.size = size
	if size == 1 {
		return nil
	}
	// Every thread that comes out of the application needs a P at once. More
	// of them than cores do no harm: the GIL lets one thread run.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), size+2))
	var err error
	if p.Pool, err = lead.NewPool[eventLoop, *conn](w); err != nil {
		return err
	}
	if p.ended, err = loop.NewWaker(); err != nil {
		return err
	}
	if e := w.poll.Add(p.Waker().FD(), special, loop.ReadLevel); e != loop.None {
		return e
	}
	w.Own(p.Waker().FD(), true) // a child that the application forks has no use for it
	w.Own(p.ended.FD(), true)
	p.first = w
	p.begun = make(chan struct{})
	return nil
}

// work is the life of one thread of the pool: it leads, waits, stands by, or
// goes on with suspended calls of its own, until the worker ends. l is the lead,
// or nil.
func (p *pool) work(s *slot, l *eventLoop) {
	s.l = l
	for !p.Over() {
		if s.l == nil {
			var c *conn
			if s.l, c, _ = p.Await(&s.member); c != nil {
				s.goOn(c)
			}
			continue
		}
		if s.l.ended() {
			shut(s)
			p.End()
			p.ended.Wake()
			break
		}
		s.l.turn(s)
	}
	for c := s.nextTodo(); c != nil; c = s.nextTodo() {
		s.finish(c.ans)
	}
	s.gone.Store(true)
	p.out.Add(1)
	p.ended.Wake()
}

// kick makes whoever leads look at the orders.
func (w *worker) kick() {
	if w.pool.size > 1 {
		w.pool.Interrupt()
	}
}

// returned settles what other threads have handed back, and goes on with what
// this one has suspended. It reports whether this thread still leads.
func (s *slot) returned() leads {
	p := &s.w.pool
	if p.size == 1 {
		if !s.l.backupLed() {
			return stillLeads
		}
		return s.doTodo()
	}
	for {
		c, ok := p.TakeBack()
		if !ok {
			return s.doTodo()
		}
		s.settle(c, c.ans, c.verdict)
		if s.follow(c) == handedOver {
			return handedOver
		}
	}
}

// delegate gives a suspended call to the thread it belongs to. The caller goes
// on leading.
func (w *eventLoop) delegate(c *conn, abort bool) {
	c.become(serving)
	c.aborted = c.aborted || abort
	if w.pool.size > 1 {
		w.pool.Give(&w.slots[c.slot].member, c)
	} else {
		w.todo = append(w.todo, c)
	}
}

// nextTodo takes a suspended call of this thread; nil: there is none.
func (s *slot) nextTodo() *conn {
	if s.w.pool.size > 1 {
		c, _ := s.w.pool.Todo(&s.member)
		return c
	}
	l := s.l
	if len(l.todo) == 0 {
		return nil
	}
	c := l.todo[0]
	l.todo = append(l.todo[:0], l.todo[1:]...)
	return c
}

// doTodo goes on with this thread's suspended calls. It reports whether the
// thread leads, given that it leads now.
func (s *slot) doTodo() leads {
	for {
		c := s.nextTodo()
		if c == nil {
			return stillLeads
		}
		s.releaseLead()
		if s.goOn(c) == handedOver {
			return handedOver
		}
	}
}

// goOn is one suspended call of this thread, which does not lead. It reports
// whether it does afterwards.
func (s *slot) goOn(c *conn) leads {
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
	p := &s.w.pool
	if p.size == 1 {
		return !s.l.handover.led
	}
	if !p.Rest(&s.member) {
		return false
	}
	if s.w.wanted.Load() != 0 {
		p.Wake()
		return false
	}
	return true
}

// woke ends what rests began.
func (s *slot) woke() {
	if s.w.pool.size > 1 {
		s.w.pool.Wake()
	}
}

// isBackup tells whether the slot is the backup's.
func (s *slot) isBackup() bool { return s.w.backup != nil && s.w.backup.slot == s }

// backupLed tells whether the backup led since it was last asked: it may have
// left something to the main thread.
func (w *eventLoop) backupLed() bool {
	led := w.handover.led
	w.handover.led = false
	return led
}
