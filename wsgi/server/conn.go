package server

import (
	"math"
	"net/netip"
	"strconv"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/h2io"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
	"gosrv/wsgi/tlsio"
)

// phase is what a connection waits for. The picture is in DESIGN.md.
type phase uint8

const (
	reading     phase = iota // a request head, or nothing between two requests
	filling                  // the rest of a request body
	skipping                 // the rest of a body that nobody will read
	serving                  // a thread has it; nobody else touches it
	sending                  // the socket's room for the rest of an answer
	lingering                // the peer's FIN; what still comes is dropped
	closed                   // on the free list
	securing                 // the ClientHello, or the end of the handshake
	multiplexed              // frames of HTTP/2, for as long as the connection lives
)

// transitions are the phases that may follow each other; DESIGN.md has the
// picture. A closed connection is opened anew as another one.
var transitions = [...]uint16{
	securing:    1<<reading | 1<<lingering | 1<<closed,
	reading:     1<<securing | 1<<filling | 1<<serving | 1<<multiplexed | 1<<lingering | 1<<closed,
	filling:     1<<reading | 1<<lingering | 1<<closed,
	skipping:    1<<reading | 1<<lingering | 1<<closed,
	serving:     1<<reading | 1<<skipping | 1<<serving | 1<<sending | 1<<lingering | 1<<closed,
	sending:     1<<serving | 1<<lingering | 1<<closed,
	multiplexed: 1<<lingering | 1<<closed,
	lingering:   1 << closed,
	closed:      0,
}

// conn is one client connection. All fields belong to the thread that leads
// the loop, while serving to the thread that serves it (but pending).
type conn struct {
	timer loop.Entry // timer.FD is the descriptor, or a stream's number, below zero
	gen   uint32     // of the events meant for this connection
	phase phase      // changed by become only
	class uint8      // of the time-out that runs

	readiness
	incoming
	suspension
	multiplexing
	answer.Conn

	used    bool // a request was answered
	engaged bool // counted as one with a complete request
	budget  int  // lingering, skipping: bytes that may still be dropped

	listener *listener
	client   call.Client
	known    http1.Known    // of its header block
	tls      *tlsio.Session // nil: plain, or its handshake has not begun
	tunnel   int            // taken over from TLS: the application's descriptor
}

// readiness is what epoll has said of the socket, and is to say.
type readiness struct {
	registered bool   // in the epoll set
	duplex     bool   // with write readiness
	readable   bool   // the socket may hold bytes or a FIN
	fin        bool   // epoll has reported the client's FIN
	eof        bool   // and it was read
	ahead      bool   // the event of this batch was noted, and what it told of was read
	pending    uint32 // events that came while serving
}

// incoming is the request in progress.
type incoming struct {
	fresh   bool // a PROXY header may come
	partial bool // what the buffer holds was looked at and is incomplete
	ready   bool // the complete request waited, or came with an offer
	content int  // ready: bytes of body in memory, behind the head

	arrival measure.Arrival // of its bytes

	req    *http1.Request // nil: none, or the thread's
	body   *body.Body     // nil: none, or it is complete in the buffer
	unread *body.Stream   // skipping: what is left of a stream
}

// suspension is an answer that waits for the socket or for its turn.
type suspension struct {
	thread  int            // that serves the connection or holds its suspended call
	verdict answer.Verdict // of that thread, until the leader has read it
	aborted bool           // its suspended call is only to be finished

	call *greenCall // in the application, in a greenlet; nil otherwise
}

// become changes the phase. A change that the table does not have is an error of
// this program: the connection would be served or closed twice.
func (c *conn) become(p phase) {
	if transitions[c.phase]>>p&1 == 0 {
		panic("a connection goes from phase " + strconv.Itoa(int(c.phase)) + " to " + strconv.Itoa(int(p)))
	}
	c.phase = p
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

// connTable holds the open connections, and what is used again for others.
type connTable struct {
	conns      []*conn // by descriptor
	h2streams  streamTable
	free       []*conn
	count      int              // open connections, without streams
	most       int              // of those: max_connections
	generation uint32           // of the last connection
	requests   []*http1.Request // free
	beside     besideTable
	shown      int64 // CLOCK_MONOTONIC ns: when the board was told what they are at
	showDue    int64 // when it is to be told again
}

// statesEvery is how often, in ns, the board is told what connections are at.
const statesEvery = 1e9

// showStates tells the board what the connections are at, if it was not told in the last second; else it asks for a turn
// then: something may have changed, and the loop may have nothing to do for long.
func (t *connTable) showStates(now int64) {
	if t.showDue = t.shown + statesEvery; now < t.showDue {
		return
	}
	var n scoreboard.Connections
	for _, c := range t.conns {
		if c != nil {
			n[c.state()]++
		}
	}
	t.beside.w.score.SetStates(&n)
	t.shown, t.showDue = now, math.MaxInt64
}

// state is the phase in the board's words. The caller leads; of a connection that is served it looks at the phase only.
func (c *conn) state() scoreboard.ConnectionState {
	switch c.phase {
	case serving:
		return scoreboard.ConnectionServing
	case sending:
		return scoreboard.ConnectionSending
	case lingering:
		return scoreboard.ConnectionClosing
	case securing:
		return scoreboard.ConnectionHandshake
	case multiplexed:
		if c.mux.State().Streams > 0 {
			return scoreboard.ConnectionServing
		}
		return scoreboard.ConnectionIdle
	case reading:
		if c.In.Len() == 0 {
			return scoreboard.ConnectionIdle
		}
	}
	return scoreboard.ConnectionReading
}

// besideTable is what else knows of a connection, and is told when it ends.
type besideTable struct {
	w      *worker
	poll   *loop.Poller
	timers *loop.Timers
	mem    *body.Memory
	gate   *gate
	ended  func(m *h2io.Conn) // a stream has
}

// open makes a connection of an accepted descriptor.
func (t *connTable) open(fd int, l *listener, peer netip.AddrPort) *conn {
	w := t.beside.w
	c := t.unused()
	c.timer.FD, c.Wire = fd, loop.NewTransport(fd)
	c.listener = l
	c.readable = true
	c.fresh = w.Proxy != proxyproto.Off
	c.client = call.NewClient(peer, l.unix || w.Trusts(peer.Addr()))
	if l.secure {
		c.become(securing)
	}
	t.seat(c)
	t.count++
	w.score.SetConnections(t.count)
	return c
}

// unused is a connection without a descriptor.
func (t *connTable) unused() *conn {
	var c *conn
	if n := len(t.free); n > 0 {
		c = t.free[n-1]
		t.free = t.free[:n-1]
		*c = conn{gen: c.gen}
	} else {
		c = &conn{}
	}
	t.generation++
	if t.generation == special {
		t.generation++
	}
	c.gen = t.generation
	return c
}

// at is the connection with that descriptor, or the stream with that number; nil: there is none.
func (t *connTable) at(number int) *conn {
	all := t.conns
	if number < 0 {
		all, number = t.h2streams.conns, ^number
	}
	if number >= len(all) {
		return nil
	}
	return all[number]
}

// seat enters a connection under its descriptor.
func (t *connTable) seat(c *conn) {
	fd := c.fd()
	for fd >= len(t.conns) {
		t.conns = append(t.conns, make([]*conn, 64)...)
	}
	t.conns[fd] = c
	t.beside.w.Own(fd, true)
}

// close ends a connection and forgets all of it. Its suspended call must be
// finished before. reset tells the client that its answer is not whole.
func (t *connTable) close(c *conn, reset bool) {
	t.unhook(c)
	if reset {
		c.Wire.Reset()
	} else {
		c.Wire.Close()
	}
	t.forget(c)
}

// unhook takes a connection out of all that refers to its descriptor, which is
// to be closed next.
func (t *connTable) unhook(c *conn) {
	if c.Stream != nil {
		c.endStream() // before the descriptor is another's
	}
	fd := c.fd()
	t.beside.timers.Disarm(&c.timer)
	if fd < 0 {
		t.h2streams.leave(fd)
		return
	}
	t.conns[fd] = nil
	t.beside.w.Own(fd, false)
	if c.registered {
		t.beside.poll.Remove(fd)
	}
}

// forget frees the rest of a connection whose descriptor was closed.
func (t *connTable) forget(c *conn) {
	t.freeRequest(c)
	c.become(closed)
	m, stream := c.mux, c.h2 != nil
	c.gen, c.tls, c.Wire, c.multiplexing = special, nil, loop.Transport{}, multiplexing{}
	t.free = append(t.free, c)
	if stream {
		t.beside.ended(m)
		return
	}
	t.count--
	t.beside.w.score.SetConnections(t.count)
}

// letGo forgets a connection that another worker has taken.
func (t *connTable) letGo(c *conn) {
	t.unhook(c)
	c.Wire.Drop()
	t.forget(c)
}

// freeRequest gives back all that a request in progress holds.
func (t *connTable) freeRequest(c *conn) {
	if c.Stream != nil {
		c.endStream()
	}
	c.unread = nil
	c.In.Release(&t.beside.mem.Bufs)
	t.dropRequest(c)
}

// consume forgets the request that has been answered.
func (t *connTable) consume(c *conn) {
	t.dropRequest(c)
	c.In.Consume(c.Size)
	c.arrival.Over(c.In.Len() > 0)
	c.used = true
	c.class = classNone
	c.partial = false
}

// dropRequest gives back what only the request in progress is made of.
func (t *connTable) dropRequest(c *conn) {
	if c.body != nil {
		c.body.End()
		c.body = nil
	}
	if c.req != nil {
		t.putRequest(c.req)
		c.req = nil
	}
	c.Suspended = nil
	t.beside.gate.disengage(c)
}

// getRequest lends a parser's memory.
func (t *connTable) getRequest() *http1.Request {
	if n := len(t.requests); n > 0 {
		r := t.requests[n-1]
		t.requests = t.requests[:n-1]
		return r
	}
	return t.beside.w.newRequest()
}

func (w *worker) newRequest() *http1.Request {
	return &http1.Request{Headers: make([]http1.Header, 0, 32), Lines: w.lines}
}

func (t *connTable) putRequest(r *http1.Request) {
	r.Reset()
	t.requests = append(t.requests, r)
}

// register puts the connection, with write readiness if asked. A connection
// that stays is registered once and never again. false: it had to be closed.
func (t *connTable) register(s *appThread, c *conn, write bool) bool {
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
