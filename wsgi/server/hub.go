package server

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/watchdog"
)

// hub drives the loop where the main thread has an event loop of Python's own: worker classes gevent and eventlet.
// Python's loop waits, for the loop's epoll set among other things, and calls Turn; requests run in greenlets, which
// call the other leaves. No leaf waits, and none enters Python: see call.Leaves.
type hub struct {
	s *appThread
	l *eventLoop

	calls []*greenCall // by place; nil: free
	free  []*greenCall
	last  uint32 // number of the last request

	ready  queue // complete, and not told to Python yet
	wakes  queue // greenlets that may go on
	throws queue // greenlets that are to end
	young  []youngCall
	timed  timedCalls

	chores call.Chores
	logFD  int // the new error log for Python's loggers
	exits  bool
	relax  int64 // when it is looked whether nothing runs, CLOCK_MONOTONIC ns; 0: nothing has run
	quiet  bool  // nothing has begun since

	alarm
	watch   *watchdog.Watchdog
	running atomic.Int32 // requests in the application, for the watchdog
	stuck   atomic.Bool  // the watchdog has found that turns do not come
}

// alarm makes Python's loop come round.
type alarm struct {
	waker *loop.Waker
	timer int   // timerfd: Python's loop waits for it
	at    int64 // when it fires, CLOCK_MONOTONIC ns; 0: not set
}

// greenCall is a request in its greenlet.
type greenCall struct {
	answer.Answer
	ref  call.Ref
	c    *conn // nil: the place is free
	body call.Body

	gone    bool  // nothing more can be said to the client
	reads   bool  // a greenlet waits for the body
	limited bool  // in timed
	thrown  int64 // when its end was asked for last, CLOCK_MONOTONIC ns

	older, newer *greenCall // in timed
}

// youngCall is a request that the last turn has told of.
type youngCall struct {
	g      *greenCall
	number uint32
}

// queue is requests that wait to be told of. Those that have ended meanwhile are passed over.
type queue struct {
	all []youngCall
	at  int // of the first
}

func (q *queue) put(g *greenCall) { q.all = append(q.all, youngCall{g, g.ref.Number}) }

func (q *queue) len() int { return len(q.all) - q.at }

// first is the first that lives; nil: there is none.
func (q *queue) first() *greenCall {
	for ; q.at < len(q.all); q.at++ {
		if y := q.all[q.at]; y.live() {
			return y.g
		}
	}
	q.all, q.at = q.all[:0], 0
	return nil
}

// drop forgets the first.
func (q *queue) drop() { q.at++ }

func (y youngCall) live() bool { return y.g.c != nil && y.g.ref.Number == y.number }

// turnMost is how many complete requests a turn collects at most.
const turnMost = 128

// runRelax is how long, in ns, nothing must have run before memory that C keeps for greenlets goes.
const runRelax = 1e9

// newHub gives the loop a hub. The main thread calls it.
func newHub(s *appThread) error {
	w := s.l
	h := &hub{s: s, l: w, logFD: -1}
	var err error
	if h.waker, err = loop.NewWaker(); err != nil {
		return err
	}
	if h.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return err
	}
	for _, fd := range []int{h.waker.FD(), h.timer} {
		w.Own(fd, true)
		if e := w.poll.Add(fd, special, loop.ReadLevel); e != loop.None {
			return e
		}
	}
	w.hub = h
	w.answers.Leaf = true
	return nil
}

// Turn is call.Leaves': what is due, and what has come of it.
func (h *hub) Turn(signals call.Flags, t call.Turn) {
	s, w := h.s, h.l
	s.Watched.Stop()
	w.now = loop.Now()
	if signals != 0 {
		heed(w.worker, signals)
	}
	h.shrink()
	for !w.ended() {
		w.turn(s)
		if w.poll.Left() == 0 && w.wanted.Load() == 0 || h.ready.len() >= turnMost {
			break
		}
	}
	h.late()
	h.tell(t)
	h.relaxIfQuiet()
	if w.ended() {
		h.chores |= call.ChoreEnded
	} else if h.unfinished() {
		h.waker.Wake() // with what else the loop of Python's has in between
	} else {
		h.setTimer()
	}
	t.Do(h.chores, h.logFD)
	h.chores, h.logFD = 0, -1
	s.Watched.Start(w.now, false)
}

// unfinished tells whether the next turn is due at once.
func (h *hub) unfinished() bool {
	w := h.l
	return w.poll.Left() > 0 || len(w.again) > 0 || w.wanted.Load() != 0 || w.drain.queue ||
		h.ready.len()+h.wakes.len()+h.throws.len() > 0
}

// attend answers an event of the hub's own descriptors, and tells whether it was one.
func (h *hub) attend(fd int) bool {
	switch fd {
	case h.waker.FD():
		h.waker.Clear()
	case h.timer:
		var b [8]byte
		_, _ = unix.Read(h.timer, b[:])
		h.at = 0
	default:
		return false
	}
	return true
}

// setTimer sees to it that Python's loop comes round when something is due. A timer that fires too early is
// cheaper than one that is set anew for each request.
func (h *hub) setTimer() {
	w := h.l
	next := min(w.next(), h.nextLate(), h.nextRelax())
	if next == never || h.at != 0 && h.at <= next {
		return
	}
	h.at = next
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(next, 1))}
	_ = unix.TimerfdSettime(h.timer, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

// tell says what Python is to do, as much as the turn has room for.
func (h *hub) tell(t call.Turn) {
	for g := h.wakes.first(); g != nil && t.Wake(g.ref); g = h.wakes.first() {
		h.wakes.drop()
	}
	for g := h.throws.first(); g != nil && t.Throw(g.ref); g = h.throws.first() {
		h.throws.drop()
	}
	for g := h.ready.first(); g != nil && h.begin(g, t); g = h.ready.first() {
		h.ready.drop()
	}
	if h.exits {
		h.chores |= call.ChoreExits
	}
}

// begin tells of a complete request, or refuses it. false: there is no room.
func (h *hub) begin(g *greenCall, t call.Turn) bool {
	s, c := h.s, g.c
	r, head := g.request()
	s.call = call.Request{Head: head, Parsed: r, Client: &c.client, Listener: c.listener.number, Body: &g.body, Socket: c.Wire.FD()}
	if !t.Room(&s.call) {
		return false
	}
	if !h.l.set.NoEnvironCache {
		s.call.Block = h.l.headBlocks.Number(head, r, &c.known)
	}
	bad := t.Request(g.ref, &s.call)
	s.call.Head = nil // the read buffer is the connection's
	if bad != nil {
		h.forget(g)
		c.Suspended = nil
		s.refuse(c, invalid(bad))
		return true
	}
	h.young = append(h.young, youngCall{g, g.ref.Number})
	return true
}

// shrink lets requests that are still in the application after their first turn keep their head only: thousands may
// wait there.
func (h *hub) shrink() {
	for _, y := range h.young {
		if c := y.g.c; y.live() && c.phase == serving && c.Stream == nil && y.g.Holder != answer.AppHas {
			c.In.Fit(&h.l.mem.Bufs)
		}
	}
	h.young = h.young[:0]
}

// relaxIfQuiet asks C to give memory back once nothing has begun for a while.
func (h *hub) relaxIfQuiet() {
	now := h.l.now
	if h.relax == 0 || now < h.relax {
		return
	}
	if h.quiet {
		h.chores |= call.ChoreRelax
		h.relax = 0
		return
	}
	h.relax, h.quiet = now+runRelax, true
}

func (h *hub) nextRelax() int64 {
	if h.relax == 0 {
		return never
	}
	return h.relax
}

// MayEnter is Resting's: what is asked of it is done after the turn.
func (h *hub) MayEnter() bool { return true }

// TrimBuffers is Resting's.
func (h *hub) TrimBuffers() (bytes int, again bool) { return h.l.mem.Bufs.Trim() }

// DropPages is Resting's.
func (h *hub) DropPages() { h.chores |= call.ChorePages }

// reopen gives Python's loggers a new error log. fd stays the caller's.
func (h *hub) reopen(fd int) {
	if h.logFD >= 0 {
		_ = unix.Close(h.logFD)
	}
	h.logFD, _ = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if h.logFD >= 0 {
		h.chores |= call.ChoreReopen
	}
	h.waker.Wake()
}
