package server

import (
	"gosrv/wsgi/handover"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
)

const (
	// stale is the age, in ns, of an offer that is made again if a worker
	// waits for work: the one that was woken for it has got stuck.
	stale = 10_000_000
	// lookEvery is how long, in ns, a look at the scoreboard is believed.
	lookEvery = 500_000
)

// offers is the exchange, as far as the loop takes offers from it.
type offers struct {
	handover.Exchange
	active bool // its descriptor is in the epoll set
	parked bool // it was, before the backup led
}

// fd is readable when there are offers.
func (x *offers) fd() int {
	_, out := x.FDs()
	return out
}

// handingOver is what the backup does with complete requests.
type handingOver struct {
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

// setAside keeps a complete request. It counts as being served: nobody touches it
// until it is let go or the main thread is back. The backup leads.
func (x *handingOver) setAside(s *appThread, c *conn) {
	w := s.l
	s.keepRequest(c)
	c.content = len(s.body.Mem)
	c.ready = true
	c.become(serving)
	w.timers.Disarm(&c.timer)
	c.class = classNone
	h := waiting{c: c}
	if x.look(w.worker); x.someWorkerReady {
		h.offer(w)
	}
	x.waiting = append(x.waiting, h)
}

// errNoRequest refuses an offer that holds no complete head.
var errNoRequest = &http1.Error{Status: 400, Reason: "incomplete request"}

// look reads the scoreboard, unless that was done a moment ago.
func (x *handingOver) look(w *worker) {
	if now := loop.Now(); now-x.looked > lookEvery {
		x.looked = now
		if !w.set.KeepAll {
			x.someWorkerReady, x.someWorkerIdle = w.board.Ready(w.id.Slot, now, stuck)
		}
	}
}

// sweep looks after what waits: drops what was taken, and offers what was
// not, or in vain. It takes from the accept queues what this worker was woken
// for before it got stuck: no other worker was.
func (x *handingOver) sweep(s *appThread) {
	w := s.l
	exchange := &w.sources.exchange
	if len(x.waiting) == 0 && x.swept {
		return
	}
	x.look(w.worker)
	if !x.swept && x.someWorkerReady {
		x.swept = true
		for _, l := range w.sources.listeners {
			if l.parked {
				accept(s, l, maxAccept)
			}
		}
	}
	kept := x.waiting[:0]
	for _, h := range x.waiting {
		if h.offered != 0 && exchange.Taken(h.claim) {
			w.letGo(h.c)
			continue
		}
		if h.offered != 0 && x.someWorkerIdle && w.now-h.offered > stale && exchange.Reclaim(h.claim) {
			h.offered = 0
		}
		if h.offered == 0 && x.someWorkerReady {
			h.offer(w)
		}
		kept = append(kept, h)
	}
	clear(x.waiting[len(kept):])
	x.waiting = kept
}

// takeBackAll gives the main thread, which leads again, what nobody took: its
// turn comes in the order of arrival.
func (x *handingOver) takeBackAll(w *eventLoop) {
	exchange := &w.sources.exchange
	for _, h := range x.waiting {
		c := h.c
		if h.offered != 0 && !exchange.Reclaim(h.claim) {
			exchange.Taken(h.claim)
			w.letGo(c)
			continue
		}
		c.become(reading)
		c.notePending()
		c.readable = c.readable || !c.registered // nobody has watched it
		w.later(c)
	}
	clear(x.waiting)
	x.waiting = x.waiting[:0]
}

// offer sends a copy of the connection to whichever worker is the first to look,
// with all that is known of it. The connection stays here, unwatched, until the
// claim says that it was taken.
func (h *waiting) offer(w *eventLoop) {
	c := h.c
	if !c.Wire.Plain() || c.In.Len() > handover.MaxBytes || c.Stream != nil || c.body != nil && c.body.Apart() {
		return
	}
	o := handover.Offer{
		Listener: c.listener.name, Peer: c.client.Peer, Trusted: c.client.Trusted, Proxied: c.client.Proxied,
		Used: c.used, Next: c.Size, Content: c.content, First: c.arrival.First, Last: c.arrival.Last,
	}
	unwatch := func() {
		if c.registered {
			w.poll.Remove(c.fd())
			c.registered, c.duplex = false, false
		}
	}
	if w.sources.exchange.Send(w.id.Slot, &o, c.In.Unread(), c.fd(), unwatch) {
		h.claim, h.offered = o.Claim, loop.Now()
	}
}

// JoinExchange orders the worker to hand connections over: it is no longer alone. names are those of Exchange.
// It reports whether it has taken the descriptors. To be called from ReadOrders: where there is no pool, the
// main thread leads then.
func (s *Server) JoinExchange(names []string, fds []int) bool {
	return joinExchange(s.l, names, fds)
}

// joinExchange is that. Without a backup the caller is the main thread, which leads.
func joinExchange(w *eventLoop, names []string, fds []int) bool {
	if !w.crew.lacksBackup() || w.drain.on || len(names) != len(fds) {
		return false
	}
	for i, name := range names {
		if err := w.sources.exchange.Add(name, fds[i]); err != nil {
			w.log.Errorf("Cannot hand connections over: %v", err)
			return true // what was taken stays unused
		}
	}
	if err := newBackup(w); err != nil {
		w.log.Errorf("Cannot hand connections over: %v", err)
		return true
	}
	if !w.gate.shut {
		w.sources.openExchange()
	}
	return true
}

// takeOffers takes connections one at a time and serves each at once, as accept
// does. It reports whether this thread still leads the loop.
func takeOffers(s *appThread, most int) leads {
	w := s.l
	x := &w.sources.exchange
	began := w.now
	for range most {
		if !x.active || w.summoned() || w.now-began > acceptTime {
			return stillLeads
		}
		if full(w) {
			shutGate(w, 0)
			return stillLeads
		}
		o, bytes, fd, empty, err := x.Receive()
		if empty {
			return stillLeads
		}
		if err != nil {
			w.log.Errorf("An offered connection cannot be read: %v", err)
		}
		if fd < 0 {
			continue
		}
		if o.Arrived {
			s.Count(metrics.Connections)
		}
		var c *conn
		if err == nil {
			c = takeOffer(w, &o, bytes, fd)
		}
		if c == nil {
			loop.Drop(fd)
			continue
		}
		if w.count > w.most {
			makeRoom(s)
		}
		if s.pump(c) == handedOver {
			return handedOver
		}
	}
	return stillLeads
}

// takeOffer makes an offered connection, or one that the master has accepted, this worker's; nil if its sender
// has taken it back, or it came in by a listener that this worker does not have.
func takeOffer(w *eventLoop, o *handover.Offer, bytes []byte, fd int) *conn {
	l := w.sources.named(o.Listener)
	if l == nil || !o.Arrived && !w.sources.exchange.Take(o) {
		return nil
	}
	c := w.open(fd, l, o.Peer)
	if o.Arrived {
		return c
	}
	if o.Proxied != nil {
		c.client.Trusted, c.client.Proxied = o.Trusted, o.Proxied
	}
	c.fresh, c.used = false, o.Used
	c.In.Grow(&w.mem.Bufs, len(bytes))
	c.In.Add(copy(c.In.Room(), bytes))
	c.ready, c.Size, c.content = true, o.Next, o.Content
	c.arrival = measure.Arrival{First: o.First, Last: o.Last}
	return c
}
