package wsgi

import (
	"gosrv/cpython"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/loop"
)

const (
	// maxOffer bounds the unread bytes that travel with a connection: head,
	// body and what is pipelined behind them.
	maxOffer = 64 << 10
	// stale is the age, in ns, of an offer that is made again if a worker
	// waits for work: the one that was woken for it has got stuck.
	stale = 10_000_000
	// lookEvery is how long, in ns, a look at the scoreboard is believed.
	lookEvery = 500_000
)

// handover is what the backup does with complete requests.
type handover struct {
	led             bool      // the backup led since the main thread has looked last
	swept           bool      // the accept queues were looked into
	waiting         []waiting // complete requests, in order of arrival
	looked          int64     // CLOCK_MONOTONIC ns of the last look at the scoreboard
	someWorkerReady bool      // it said: another worker takes requests
	someWorkerIdle  bool      // and one waits for work
}

// waiting is a complete request that waits for the main thread, or for another
// worker if it was offered.
type waiting struct {
	c       *conn
	claim   scoreboard.Claim
	offered int64 // CLOCK_MONOTONIC ns; 0: it is not
}

// hold keeps a complete request. It counts as being served: nobody touches it
// until it is let go or the main thread is back. The backup leads.
func (s *slot) hold(c *conn) {
	w := s.l
	r := &w.handover
	s.keepRequest(c)
	c.content = len(s.body.Mem)
	c.ready, c.phase = true, serving
	w.timers.Disarm(&c.timer)
	c.class = classNone
	h := waiting{c: c}
	if s.look(); r.someWorkerReady {
		s.offer(&h)
	}
	r.waiting = append(r.waiting, h)
}

// recall makes a held request, or one that came with an offer, the slot's.
func (s *slot) recall(c *conn) (progress, *body.Refusal) {
	r := s.request(c)
	if c.req == nil {
		if err := s.parse(c, r); err != nil {
			// Another generation's limits were wider.
			bad, _ := err.(*http1.Error)
			if bad == nil {
				bad = errNoRequest
			}
			s.keepRequest(c)
			return refused, invalid(bad)
		}
	}
	c.ready = false
	if c.body != nil {
		s.body = c.body.Whole()
	} else {
		start := r.HeadLen
		s.body = cpython.Body{FD: -1, Len: int64(c.content), Mem: c.in.Unread()[start : start+c.content]}
	}
	return complete, nil
}

// errNoRequest refuses an offer that holds no complete head.
var errNoRequest = &http1.Error{Status: 400, Reason: "incomplete request"}

// look reads the scoreboard, unless that was done a moment ago.
func (s *slot) look() {
	w := s.l
	r := &w.handover
	if now := loop.Now(); now-r.looked > lookEvery {
		r.looked = now
		r.someWorkerReady, r.someWorkerIdle = w.board.Ready(w.id.Slot, now, stuck)
	}
}

// sweep looks after what is held: drops what was taken, and offers what was
// not, or in vain. It takes from the accept queues what this worker was woken
// for before it got stuck: no other worker was.
func (s *slot) sweep() {
	w := s.l
	r := &w.handover
	if len(r.waiting) == 0 && r.swept {
		return
	}
	s.look()
	if !r.swept && r.someWorkerReady {
		r.swept = true
		for _, l := range w.listeners {
			if l.parked {
				s.accept(l, maxAccept)
			}
		}
	}
	kept := r.waiting[:0]
	for _, h := range r.waiting {
		if h.offered != 0 && w.exchange.claims.Settle(h.claim) {
			w.letGo(h.c)
			continue
		}
		if h.offered != 0 && r.someWorkerIdle && w.now-h.offered > stale && w.exchange.claims.Reclaim(h.claim) {
			h.offered = 0
		}
		if h.offered == 0 && r.someWorkerReady {
			s.offer(&h)
		}
		kept = append(kept, h)
	}
	clear(r.waiting[len(kept):])
	r.waiting = kept
}

// unholdAll gives the main thread, which leads again, what nobody took: its
// turn comes in the order of arrival.
func (s *slot) unholdAll() {
	w := s.l
	r := &w.handover
	for _, h := range r.waiting {
		c := h.c
		if h.offered != 0 && !w.exchange.claims.Reclaim(h.claim) {
			w.exchange.claims.Settle(h.claim)
			w.letGo(c)
			continue
		}
		c.phase = reading
		c.notePending()
		c.readable = c.readable || !c.registered // nobody has watched it
		w.later(c)
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
}

// offer sends a copy of the connection to whichever worker is the first to look,
// with all that is known of it. The connection stays here, unwatched, until the
// claim says that it was taken.
func (s *slot) offer(h *waiting) {
	w, c := s.l, h.c
	x := &w.exchange
	if c.in.Len() > maxOffer || c.stream != nil || c.body != nil && c.body.Apart() {
		return
	}
	claim, ok := x.claims.Offer(w.id.Slot)
	if !ok {
		return
	}
	if packet := x.pack(claim, c); packet != nil {
		if c.registered {
			w.poll.Remove(c.fd())
			c.registered, c.duplex = false, false
		}
		if loop.SendFD(x.in, packet, c.fd()) == loop.None {
			h.claim, h.offered = claim, loop.Now()
			return
		}
	}
	x.claims.Reclaim(claim) // most likely nobody reads and the socket is full
}

// letGo forgets a connection that another worker has taken.
func (w *eventLoop) letGo(c *conn) {
	w.unhook(c)
	c.wire.Drop()
	w.forget(c)
}
