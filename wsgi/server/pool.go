package server

import (
	"runtime"
	"sync/atomic"

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
}

// newPool prepares for so many threads beside the main thread.
func newPool(w *eventLoop, size int) error {
	p := &w.crew.pool
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
func (p *pool) work(s *appThread, l *eventLoop) {
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
		s.Finish(c.Suspended)
	}
	s.gone.Store(true)
	p.out.Add(1)
	p.ended.Wake()
}
