package server

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/lead"
	"gosrv/wsgi/loop"
)

// crew is the threads that may run the loop: the main thread alone, a pool of equal ones, or the main thread and a
// backup that never calls the application. What the rest of the server knows of them is here: whoever calls the
// application lends its thread and releases the lead, and may find another leading when it comes back (leads).
type crew struct {
	pool   pool
	backup *backup // nil: nobody leads while the main thread is in the application
	shown  scoreboard.Oldest
}

// place is a thread's in the crew.
type place struct {
	n      int                // the thread's number: 0 is the main thread's
	member lead.Thread[*conn] // among the pool's threads
	shown  scoreboard.Running // its request, as the scoreboard shows it
	gone   atomic.Bool        // the thread has ended, with close() called for what it had suspended
}

// oneCalls tells whether one thread calls the application, with whatever help.
func (k *crew) oneCalls() bool { return k.pool.size <= 1 }

// lacksBackup tells whether the crew is a main thread alone.
func (k *crew) lacksBackup() bool { return k.oneCalls() && k.backup == nil }

// hasBack tells whether other threads have handed something back to who leads.
func (k *crew) hasBack() bool { return k.pool.size > 1 && k.pool.HasBack() }

// interrupt makes whoever leads look at the orders.
func (k *crew) interrupt() {
	if k.pool.size > 1 {
		k.pool.Interrupt()
	}
}

// tellMain makes the main thread of a pool look at the state of the worker.
func (k *crew) tellMain() {
	if k.pool.size > 1 {
		k.pool.ended.Wake()
	}
}

// clearWaker ends the event of one of the crew's own descriptors, and tells whether it was one.
func (k *crew) clearWaker(fd int) bool {
	switch {
	case k.pool.size > 1 && fd == k.pool.Waker().FD():
		k.pool.Waker().Clear()
	case k.pool.size > 1 && fd == k.pool.ended.FD():
		k.pool.ended.Clear()
	case k.backup != nil && fd == k.backup.Waker().FD():
		k.backup.Waker().Clear()
	default:
		return false
	}
	return true
}

// end lets a backup end; the main thread calls it, which leads.
func (k *crew) end() {
	if k.backup != nil {
		k.backup.End()
	}
}

// allOut tells, after the end, that no thread is still inside the application.
func (k *crew) allOut() bool { return k.oneCalls() || int(k.pool.out.Load()) == k.pool.size }

// callers are the threads that call the application, in a list of its own: the backup may come at any time.
func (w *worker) callers() []*appThread {
	return slices.DeleteFunc(slices.Clone(w.threads), (*appThread).isBackup)
}

// show puts the thread's request on the scoreboard.
func (p *place) show(w *worker, started int64, method, path []byte, client netip.AddrPort) {
	if w.crew.oneCalls() {
		w.score.Begin(started, method, path, client)
	} else {
		w.crew.shown.Begin(w.score, &p.shown, started, method, path, client)
	}
}

// unshow takes it off.
func (p *place) unshow(w *worker) {
	switch {
	case !w.crew.oneCalls():
		w.crew.shown.End(w.score, &p.shown)
	case w.hub != nil: // which shows the oldest of many
	case p.n == 0: // not the backup's: the main thread's request goes on
		w.score.End()
	}
}

// releaseLead gives the lead up before the application is called. A thread that
// is alone keeps it.
func (s *appThread) releaseLead() {
	w := s.w
	switch {
	case !w.crew.oneCalls():
		s.l = nil
		w.crew.pool.Release()
	case w.crew.backup != nil:
		s.l = nil
		w.crew.backup.Release()
	}
}

// regainLead takes the lead back after a call. If another thread leads by now, that gets the connection with
// what came of it.
func (s *appThread) regainLead(c *conn, a *answer.Answer, v answer.Verdict) leads {
	w := s.w
	if w.crew.oneCalls() {
		if w.crew.backup != nil {
			s.reclaim()
		}
		if s.Now-a.Resumed >= stuck && loop.WaitReadable(w.Control, 0) {
			s.ReleaseGIL()
			w.ReadOrders() // what it was told meanwhile comes before new connections
		}
		return stillLeads
	}
	p := &w.crew.pool
	p.Weigh(&s.member, s.Now-a.Resumed)
	if s.l = p.Acquire(); s.l != nil {
		return stillLeads
	}
	if c.Suspended == nil {
		kept := *a
		c.Suspended = &kept
	}
	if v == answer.Sent && a.Parting(&c.Conn) {
		c.Wire.HalfClose() // the leader may be long in coming to it, and the last bytes wait for the end
	}
	c.verdict = v
	p.HandBack(c)
	return handedOver
}

// borrowLead gives a thread inside a call the lead for a moment; nil: another has it.
func (k *crew) borrowLead(s *appThread) *eventLoop {
	if k.backup != nil {
		return k.backup.Borrow()
	}
	return s.l // a main thread that is alone never gives the lead up
}

// giveLeadBack ends what borrowLead began.
func (k *crew) giveLeadBack() {
	if k.backup != nil {
		k.backup.GiveBack()
	}
}

// reclaim gives the main thread the lead that it has released.
func (s *appThread) reclaim() {
	var led bool
	if s.l, led = s.w.crew.backup.Reclaim(); led {
		s.l.handover.takeBackAll(s.l)
		s.l.resumeMainEvents()
	}
}

// returned settles what other threads have handed back, and goes on with what
// this one has suspended. It reports whether this thread still leads.
func (s *appThread) returned() leads {
	p := &s.w.crew.pool
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
		s.settle(c, c.Suspended, c.verdict)
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
	if w.crew.pool.size > 1 {
		w.crew.pool.Give(&w.threads[c.thread].member, c)
	} else {
		w.todo = append(w.todo, c)
	}
}

// nextTodo takes a suspended call of this thread; nil: there is none.
func (s *appThread) nextTodo() *conn {
	if s.w.crew.pool.size > 1 {
		c, _ := s.w.crew.pool.Todo(&s.member)
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
func (s *appThread) doTodo() leads {
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
func (s *appThread) goOn(c *conn) leads {
	a := c.Suspended
	s.cur, s.curAns = c, a
	a.Resumed = loop.Now()
	s.StartDeadline(a)
	v := answer.Cut
	if c.aborted {
		s.Finish(a)
	} else {
		v = carry(s, c, a)
	}
	return s.leave(c, v) && s.follow(c)
}

// rests announces that the leader is going to wait for events; false if there
// is something to do after all.
func (s *appThread) rests() bool {
	p := &s.w.crew.pool
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
func (s *appThread) woke() {
	if s.w.crew.pool.size > 1 {
		s.w.crew.pool.Wake()
	}
}

// isBackup tells whether the thread is the backup's.
func (s *appThread) isBackup() bool { return s.w.crew.backup != nil && s.w.crew.backup.thread == s }

// backupLed tells whether the backup led since it was last asked: it may have
// left something to the main thread.
func (w *eventLoop) backupLed() bool {
	led := w.handover.led
	w.handover.led = false
	return led
}
