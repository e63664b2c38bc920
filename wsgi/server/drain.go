package server

import (
	"math"
	"time"

	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// Orders to the loop, as bits of worker.orders.
const (
	drainOrder uint32 = 1 << iota
	finalOrder        // with drainOrder: no other worker will serve the queue
	quitOrder
	coverOrder // listeners come or go
	lookOrder  // somebody may wait in an accept queue
)

// What idle connections get in a drain, well below a second in all: a while in
// which a request that is on its way is still answered, then, half-closed, as
// much as a client needs to close its side.
const (
	lastIdle   = 400 * time.Millisecond
	lastLinger = 250 * time.Millisecond
)

// drainState is the way to an orderly end: no new connections, every answer
// closes its connection, and idle ones may get one more until the worker has
// nothing else to do. Closing them at once would lose the request that is on
// its way.
type drainState struct {
	on       bool
	over     bool  // leave now
	final    bool  // no other worker will serve the queue
	queue    bool  // connections that nobody else would serve are still accepted
	deadline int64 // CLOCK_MONOTONIC ns; 0: none
}

// departure is how the worker comes to its end.
type departure struct {
	orders    *orders
	parting   Parting
	drain     drainState
	keepAlive bool // answers may leave their connection open
	served    uint64
	replaced  bool // it has served max_requests, and the master knows that it wants a successor
}

// next is the moment at which waiting must end.
func (d *drainState) next() int64 {
	if !d.on || d.deadline == 0 {
		return math.MaxInt64
	}
	return d.deadline
}

// order asks the loop for something; any thread may.
func (w *worker) order(bits uint32) {
	if bits&quitOrder != 0 {
		w.quitting.Store(true)
	}
	w.wanted.Or(bits)
	w.crew.interrupt()
}

// Drain orders the worker to end: to answer what it has and to take no more; final: no other worker
// will serve the queue. grace is what it may take; 0: what the settings say. Any thread may, as with all orders.
func (s *Server) Drain(grace time.Duration, final bool) {
	if grace > 0 {
		s.w.graceful.Store(int64(grace))
	}
	bits := drainOrder
	if final {
		bits |= finalOrder
	}
	s.w.order(bits)
}

// Quit orders it to end at once.
func (s *Server) Quit() { s.w.order(quitOrder) }

// Look orders it to look into the accept queues: somebody may wait there for whom another was woken.
func (s *Server) Look() { s.w.order(lookOrder) }

// MasterGone is said instead of orders when there will be none: nobody will stop or replace this worker.
func (s *Server) MasterGone() {
	s.w.watcher.Remove(s.w.Control)
	s.w.order(drainOrder | finalOrder)
}

// obey carries out orders; the caller leads the loop.
func obey(s *appThread, orders uint32) {
	w := s.l
	w.wanted.And(^orders)
	if orders&coverOrder != 0 {
		arrangeCovered(w)
	}
	if orders&lookOrder != 0 {
		w.sources.lookAgain()
	}
	if orders&quitOrder != 0 {
		w.drain.on, w.drain.over = true, true
		w.draining.Store(true)
	}
	if orders&drainOrder != 0 {
		startDrain(s, "order", orders&finalOrder != 0)
	}
}

// startDrain begins the end; reason goes to the master.
func startDrain(s *appThread, reason string, final bool) {
	w := s.l
	if w.drain.on {
		// The server ends while this worker is on its way out for another
		// reason: now it has to serve the queue after all.
		if final && !w.drain.final {
			w.gate.shut = true
			finishQueue(w)
		}
		return
	}
	w.drain.on = true
	w.draining.Store(true)
	w.keepAlive = false
	if grace := w.graceful.Load(); grace > 0 {
		w.drain.deadline = loop.Now() + grace
	}
	idle, linger := w.lastTimes()
	w.hasten(w.conns, idle, linger)
	w.sources.shutExchange()
	w.crew.tellMain()
	w.score.SetState(scoreboard.Draining)
	queue := !final && w.sources.leaveQueues()
	w.Tell(workerctl.WorkerDraining{Reason: reason, Queue: queue})
	if final {
		finishQueue(w)
	}
}

// idleMayStay tells whether idle connections may stay for the time being: the
// worker is busy anyway, with requests to finish, and has time to part from the idle ones.
func (p *departure) idleMayStay(now int64, busy bool) bool {
	if !p.drain.on || !busy {
		return false
	}
	idle, linger := p.lastTimes()
	return p.drain.deadline == 0 || now+idle+linger < p.drain.deadline
}

// lastTimes is what idle connections get, in ns.
func (p *departure) lastTimes() (idle, linger int64) {
	return p.parting.within(p.orders.graceful.Load())
}

// summoned tells whether orders are to be obeyed before anything new is taken:
// after this one the next connection may be for others.
func (p *departure) summoned() bool { return p.orders.wanted.Load() != 0 && !p.drain.on }

// finishQueue begins the final part of a drain: what waits in the queues is
// accepted.
func finishQueue(w *eventLoop) {
	openGate(w)
	w.drain.final, w.drain.queue = true, true
}

// ended tells whether the loop may stop: all answered, or out of time.
func (w *eventLoop) ended() bool {
	d := &w.drain
	if !d.on {
		return false
	}
	if d.over {
		return true
	}
	return w.count+w.h2streams.count <= int(w.answers.Lost.Load()) && !d.queue && w.sources.ending == 0 || d.deadline > 0 && w.now >= d.deadline
}

// countRequest counts a request as it begins and asks for the successor of a
// worker that has served enough. Until that is ready this one serves on: its
// import must cost nobody's time.
func countRequest(s *appThread) {
	w := s.l
	p := &w.departure
	p.served++
	w.Word.Requests = p.served
	w.score.AddRequest()
	limit := w.Word.MaxRequests.Load()
	if limit == 0 || p.served < limit || p.drain.on || p.replaced {
		return
	}
	w.log.Infof("Autorestarting worker after current request.")
	if limit == 1 {
		startDrain(s, "max_requests", false) // who wants that wants a new process for each request
		return
	}
	p.replaced = true
	w.Tell(workerctl.WorkerWantsSuccessor{})
}
