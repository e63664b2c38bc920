package server

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"gosrv/wsgi/access"
	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/h2io"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
	"gosrv/wsgi/tlsio"
)

// special is the generation of what is in the epoll set and is no connection.
const special = 0

// worker is what the threads of one process share: it is set before they begin,
// or has a guard of its own.
type worker struct {
	Process
	protocol
	orders
	lateness
	layers

	log     *errlog.Logger
	access  *access.Log
	set     Settings
	id      workerctl.Identity
	score   *scoreboard.Slot
	board   *scoreboard.Board
	unpoll  func(fd int) // takes a descriptor out of the loop's epoll set; any thread may
	watcher *loop.Poller // has the control channel and the signals: that of the loop, or the main thread's own
	threads []*appThread
	streams body.Streams
	meters  measure.Meters
	crew    crew
	hub     *hub // nil: nothing but the loop waits
	answers answer.Rules
	notice  string // what the master is to say of the place for spool files
}

// layers is what may stand between a connection and its socket.
type layers struct {
	tls   *tlsio.Handshakes // nil: plain
	http2 *h2io.Table       // nil: nobody may speak it
}

// protocol is how requests are read and answers begin. It never changes.
type protocol struct {
	Caller
	policy      http1.Policy
	ofStreams   http1.Policy // for what http2 has written
	streamRules body.StreamRules
	lines       *http1.Lines // field lines that repeat; used by the leader only
	kept        string       // response.KeptLines
	server      string       // response.ServerLine
}

// orders are what any thread may ask the loop for.
type orders struct {
	wanted   atomic.Uint32 // drainOrder, quitOrder
	quitting atomic.Bool   // drain.over is on its way
	draining atomic.Bool   // drain.on, for those who do not lead
	graceful atomic.Int64  // ns a drain may take; 0: any time
	covers   covers
}

// eventLoop is what only the thread that leads may touch. It has it from the
// lead, as appThread.l, and loses it there.
type eventLoop struct {
	*worker
	departure
	connTable
	timeouts
	handover handingOver
	sources  sources
	gate     gate

	poll       *loop.Poller
	mem        body.Memory // of request bodies, and the read buffers
	headBlocks http1.Blocks
	outbox     answer.Outbox[*conn]
	again      []turnTicket
	todo       []*conn // suspended calls of the main thread, where it is alone

	polls   measure.Polls
	now     int64 // CLOCK_MONOTONIC ns, of this turn
	restDue int64 // when Process.Idle is to be asked
	yielded int64 // when a thread gave its processor of Go's scheduler up last: slice
}

// newEventLoop makes one without connections.
func newEventLoop(w *worker, poll *loop.Poller, timers *loop.Timers) *eventLoop {
	l := &eventLoop{worker: w, poll: poll}
	l.departure.orders, l.sources = &w.orders, sources{poll: poll, log: w.log, backlog: w.set.Backlog}
	l.parting, l.gate.most, l.most = w.set.Parting, w.set.MaxEngaged, w.set.MaxConns
	l.timeouts = timeouts{timers: timers}
	l.beside = besideTable{w: w, poll: poll, timers: timers, mem: &l.mem, gate: &l.gate, ended: func(m *h2io.Conn) { streamEnded(l, m) }}
	return l
}

// leads says who owns the loop, and with it the connection that was at hand: the
// thread that asked, or by now another one.
type leads bool

const (
	stillLeads leads = true
	handedOver leads = false
)

// turnTicket is a connection that waits for its turn, not for an event.
type turnTicket struct {
	c   *conn
	gen uint32
}

// later gives c another turn once the others have had theirs.
func (w *eventLoop) later(c *conn) { w.again = append(w.again, turnTicket{c, c.gen}) }

// slice is how long, in ns, the leading threads keep a processor of Go's scheduler,
// counted for all of them: those that take turns lose theirs anyway. From 10 ms on
// the scheduler interrupts a thread with a signal at each look, takes its processor
// away whenever it is in C, and looks every 20 us.
const slice = 8e6

// turn does one thing that is due: an event of the batch, a waiting
// connection, a time-out, or the wait for more. It reports whether this thread
// still leads the loop.
func (w *eventLoop) turn(s *appThread) leads {
	if s.Now-w.yielded > slice {
		w.yielded = s.Now
		s.ReleaseGIL()
		runtime.Gosched()
	}
	if w.crew.hasBack() {
		// Before the rest of the batch, which may take long.
		if s.returned() == handedOver {
			return handedOver
		}
		if w.ended() {
			return stillLeads // that may have been the last thing to wait for
		}
	}
	if w.outbox.Size() > 0 && w.outbox.Due(s.Now) {
		s.sendKept()
	}
	if ev, ok := w.poll.Next(); ok {
		return s.l.dispatch(s, ev)
	}
	if w.outbox.Size() > 0 {
		s.sendKept()
	}
	s.ReleaseGIL()
	if orders := w.wanted.Load(); orders != 0 {
		obey(s, orders)
		return stillLeads
	}
	if w.sources.ending > 0 {
		if endCovered(s) == handedOver {
			return handedOver
		}
		if w.sources.ending == 0 {
			return stillLeads // as above
		}
	}
	if w.drain.queue {
		if emptyQueue(s) == handedOver {
			return handedOver
		}
		if !w.drain.queue {
			return stillLeads // as above
		}
	}
	w.giveMemoryBack(s)
	if !w.polls.Found(w.poll.Poll()) && len(w.again) == 0 && !w.drain.queue {
		if wait := w.patience(); wait != 0 {
			s.l.idle(s, wait)
		}
	}
	w.now = w.polls.Note(loop.Now())
	w.score.Tick(w.now)
	w.showStates(w.now)
	tryGate(w)
	if s.returned() == handedOver || w.timers.Next() <= w.now && s.l.expire(s) == handedOver {
		return handedOver
	}
	return s.l.takeTurns(s) && s.readAhead()
}

// giveMemoryBack gives back what nothing needs just now.
func (w *eventLoop) giveMemoryBack(s *appThread) {
	freed := w.mem.DropBlocks(s, w.now)
	dropped, swollen := w.mem.Bufs.Dropped(), w.mem.Bufs.Swollen()
	if freed || swollen || dropped > 0 || w.now >= w.restDue {
		t := Resting(s)
		if w.hub != nil {
			t = w.hub
		}
		w.restDue = w.Idle.Look(t, w.now, dropped, freed, swollen)
	}
}

// serveAlone is the loop of a thread that no other takes turns with, until the end.
func serveAlone(s *appThread) {
	for w := s.l; !w.ended(); {
		w.turn(s)
	}
	s.sendKept()
}

// takeTurns serves those that were put off, once each.
func (w *eventLoop) takeTurns(s *appThread) leads {
	for n := len(w.again); n > 0 && len(w.again) > 0; n-- {
		t := w.again[0]
		w.again = append(w.again[:0], w.again[1:]...)
		if t.c.gen != t.gen {
			continue
		}
		if s.l.proceed(s, t.c) == handedOver {
			return handedOver
		}
	}
	return stillLeads
}

// proceed goes on with a connection that may be able to.
func (w *eventLoop) proceed(s *appThread, c *conn) leads {
	switch c.phase {
	case reading, filling, skipping, securing:
		return s.pump(c)
	case sending:
		return s.resume(c)
	case lingering:
		s.discard(c)
	case multiplexed:
		converse(s, c)
	}
	return stillLeads
}

// dispatch is one event.
func (w *eventLoop) dispatch(s *appThread, ev loop.Event) leads {
	if ev.Gen == special {
		return s.l.dispatchSpecial(s, ev)
	}
	c := w.conns[ev.FD]
	if c == nil || c.gen != ev.Gen {
		return stillLeads // closed earlier in this batch
	}
	if c.ahead {
		c.ahead, ev.Mask = false, 0 // noted, and read
	}
	if c.phase == serving {
		c.pending |= ev.Mask
		if w.hub != nil {
			w.hub.noticed(c)
		}
		return stillLeads
	}
	c.note(ev)
	if c.phase == sending {
		switch {
		case ev.Broken():
			c.Suspended.Deserted = true
			s.abandon(c)
			return stillLeads
		case !ev.Writable():
			return stillLeads
		}
	}
	return s.l.proceed(s, c)
}

// dispatchSpecial is an event of a listener, the control channel or the
// wake-up descriptor.
func (w *eventLoop) dispatchSpecial(s *appThread, ev loop.Event) leads {
	s.ReleaseGIL()
	if w.tls != nil && ev.FD == w.tls.FD() {
		w.secured(s)
		return stillLeads
	}
	if w.http2 != nil && ev.FD == w.http2.FD() {
		readElsewhere(s)
		return stillLeads
	}
	if s.isBackup() {
		// The main thread's events are paused while it leads: what else is left of the batch is
		// level-triggered and comes again.
		w.crew.clearWaker(ev.FD)
		return stillLeads
	}
	if w.sources.exchange.active && ev.FD == w.sources.exchange.fd() {
		return takeOffers(s, maxAccept)
	}
	for _, l := range w.sources.listeners {
		if l.fd == ev.FD {
			return accept(s, l, maxAccept)
		}
	}
	w.attend(s, ev.FD)
	return stillLeads
}

// patience is how many milliseconds the wait for events may last; -1: for ever.
func (w *eventLoop) patience() int { return w.until(w.next()) }

// next is when something is due, whatever comes, CLOCK_MONOTONIC ns.
func (w *eventLoop) next() int64 {
	return min(w.timers.Next(), w.drain.next(), gateTime(w), w.restDue, w.mem.NextDrop(), w.showDue)
}

// until is the time to a moment as a time-out for a wait, in ms; -1: for ever.
func (w *eventLoop) until(next int64) int {
	if next == math.MaxInt64 {
		return -1
	}
	left := next - w.now
	if left <= 0 {
		return 0
	}
	return int(min(left/int64(time.Millisecond)+1, math.MaxInt32))
}

// idle waits for events.
func (w *eventLoop) idle(s *appThread, wait int) {
	if w.hub != nil || !s.rests() {
		return
	}
	_, interrupted := s.l.poll.Wait(wait)
	s.woke()
	if interrupted && s.n == 0 {
		signals(s)
	}
}
