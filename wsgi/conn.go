package wsgi

import (
	"gosrv/environ"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// phase is what a connection waits for. The picture is in DESIGN.md.
type phase uint8

const (
	reading   phase = iota // a request head, or nothing between two requests
	filling                // the rest of a request body
	skipping               // the rest of a body that nobody will read
	serving                // a slot has it; nobody else touches it
	sending                // the socket's room for the rest of an answer
	lingering              // the peer's FIN; what still comes is dropped
	closed                 // on the free list
)

// conn is one client connection. All fields belong to the thread that leads
// the loop, while serving to the slot that serves it (but pending).
type conn struct {
	timer loop.Entry // timer.FD is the descriptor
	gen   uint32     // of the events meant for this connection

	phase      phase
	registered bool // in the epoll set
	duplex     bool // with write readiness
	readable   bool // the socket may hold bytes or a FIN
	partial    bool // what in holds was looked at and is incomplete
	fin        bool // epoll has reported the client's FIN
	eof        bool // and it was read
	used       bool // a request was answered
	fresh      bool // a PROXY header may come
	engaged    bool // counted as one with a complete request
	ready      bool // its complete request was held, or came with an offer
	class      uint8

	listener *listener
	facts    environ.Facts
	known    known // of its header block

	wire loop.Transport
	in   loop.Buffer
	size int // bytes of in that the request is, once it is complete

	content int // ready: bytes of body in memory, behind the head

	req  *http1.Request // a head in progress; nil otherwise
	body *body.Body     // a body in progress; nil otherwise
	ans  *answer        // an answer in progress; nil unless suspended

	stream *body.Stream // a body that the application reads itself; nil otherwise
	skip   *body.Stream // skipping: what is left of one

	slot    int     // that serves it or holds its suspended call
	verdict verdict // of that slot, until the leader has read it
	aborted bool    // its suspended call is only to be finished
	pending uint32  // events that came while serving
	budget  int     // lingering: bytes that may still be dropped
}

func (c *conn) fd() int { return c.timer.FD }

// note remembers what an edge said.
func (c *conn) note(ev loop.Event) {
	if ev.Readable() {
		c.readable = true
	}
	if ev.Ended() {
		c.fin = true
	}
}

// notePending notes the events that came while the connection was served, and
// tells whether the socket has room.
func (c *conn) notePending() (room bool) {
	ev := loop.Event{Mask: c.pending}
	c.pending = 0
	c.note(ev)
	return ev.Writable()
}

// open makes a connection of an accepted descriptor.
func (w *eventLoop) open(fd int, l *listener, peer *loop.Peer) *conn {
	var c *conn
	if n := len(w.free); n > 0 {
		c = w.free[n-1]
		w.free = w.free[:n-1]
		*c = conn{gen: c.gen}
	} else {
		c = &conn{}
	}
	w.generation++
	if w.generation == special {
		w.generation++
	}
	c.gen = w.generation
	c.timer.FD, c.wire = fd, loop.NewTransport(fd)
	c.listener = l
	c.readable = true
	c.fresh = w.proxy.mode != http1.ProxyOff
	c.facts = environ.NewFacts(w.rules, &l.about, peer.AddrPort())
	seat(w, c)
	w.count++
	w.score.SetConnections(w.count)
	return c
}

// seat enters a connection under its descriptor.
func seat(w *eventLoop, c *conn) {
	fd := c.fd()
	for fd >= len(w.conns) {
		w.conns = append(w.conns, make([]*conn, 64)...)
	}
	w.conns[fd] = c
	w.own(fd, true)
}

// close ends a connection and forgets all of it. Its suspended call must be
// finished before. reset tells the client that its answer is not whole.
func (w *eventLoop) close(c *conn, reset bool) {
	w.unhook(c)
	if reset {
		c.wire.Reset()
	} else {
		c.wire.Close()
	}
	w.forget(c)
}

// unhook takes a connection out of all that refers to its descriptor, which is
// to be closed next.
func (w *eventLoop) unhook(c *conn) {
	if c.stream != nil {
		w.endStream(c) // before the descriptor is another's
	}
	fd := c.fd()
	w.timers.Disarm(&c.timer)
	w.conns[fd] = nil
	w.own(fd, false)
	if c.registered {
		w.poll.Remove(fd)
	}
}

// forget frees the rest of a connection whose descriptor was closed.
func (w *eventLoop) forget(c *conn) {
	w.release(c)
	c.phase = closed
	c.gen = special
	w.free = append(w.free, c)
	w.count--
	w.score.SetConnections(w.count)
}

// release gives back all that a request in progress holds.
func (w *eventLoop) release(c *conn) {
	if c.stream != nil {
		w.endStream(c)
	}
	c.skip = nil
	c.in.Release(&w.mem.Bufs)
	if c.body != nil {
		c.body.End()
		c.body = nil
	}
	if c.req != nil {
		w.putRequest(c.req)
		c.req = nil
	}
	c.ans = nil
	w.disengage(c)
}

// rest leaves a connection to epoll and the timers: nothing more can be done
// for it now.
func (s *slot) rest(c *conn) {
	w := s.l
	if !s.watch(c, c.phase == sending) {
		return
	}
	switch {
	case c.phase == filling:
		s.awaitBody(c)
	case c.phase == skipping:
		w.arm(c, classLinger)
	case c.phase == sending:
		s.awaitRoom(c)
	case c.in.Len() > 0:
		w.arm(c, classHeader)
	default:
		c.in.Release(&w.mem.Bufs)
		if c.used || w.drain.on {
			w.timers.Arm(&c.timer, classIdle, w.now)
			c.class = classIdle
		} else {
			w.arm(c, classHeader)
		}
	}
}

// arm starts the class's time-out unless it runs already: a head, for one, is
// given its time once, not once a byte.
func (w *eventLoop) arm(c *conn, class uint8) {
	if c.class != class {
		w.timers.Arm(&c.timer, class, w.now)
		c.class = class
	}
}

// watch registers the connection, with write readiness if asked. A connection
// that stays is registered once and never again. false: it had to be closed.
func (s *slot) watch(c *conn, write bool) bool {
	if c.registered && (c.duplex || !write) {
		return true
	}
	interest := uint32(loop.ReadEdge)
	if write {
		interest = loop.DuplexEdge
	}
	w, e := s.l, loop.None
	if c.registered {
		e = w.poll.Change(c.fd(), c.gen, interest)
	} else {
		e = w.poll.Add(c.fd(), c.gen, interest)
	}
	if e != loop.None {
		w.log.Errorf("epoll refuses a connection: %v", e)
		s.abandon(c)
		return false
	}
	c.registered, c.duplex = true, write
	return true
}
