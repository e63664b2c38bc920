package server

import (
	"bytes"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/h2io"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// A connection that speaks HTTP/2 is in the phase multiplexed as long as it does: its frames are read here. Each of
// its streams is a connection of its own, whose transport is an h2io.Stream: what is read from that is a request
// as HTTP/1 has it, and an answer's end is the connection's. So a stream goes through the same phases as any
// connection, by the same hands, and nothing but what needs a descriptor has to know of it. It is in no epoll set:
// what has become of it comes by the connection that it is a stream of.

// HTTP2 is what the settings say of it.
type HTTP2 struct {
	http2.Settings
	Offered bool // by ALPN
	Prior   bool // without TLS, to trusted peers that begin with it
	Upgrade bool // without TLS, to trusted peers that ask for it
}

// on tells whether anybody may speak it.
func (h *HTTP2) on() bool { return h.Offered || h.Prior || h.Upgrade }

// multiplexing is a connection's part in HTTP/2.
type multiplexing struct {
	mux *h2io.Conn   // it speaks HTTP/2, or is a stream of one that does; nil: neither
	h2  *h2io.Stream // it is a stream; nil: it is none
}

// preface tells, of what is no head of HTTP/1, whether a client that may has begun with HTTP/2. incomplete: it may
// yet. clientGone: it speaks neither, and an answer in HTTP/1 would be nonsense to somebody who waits for frames.
func preface(s *appThread, c *conn) progress {
	in := c.In.Unread()
	n := min(len(in), len(http2.Preface))
	switch {
	case !s.w.set.HTTP2.Prior || c.used || c.listener.secure || !c.client.Trusted:
		return refused
	case string(in[:n]) == http2.Preface[:n] && n < len(http2.Preface):
		return incomplete
	case string(in[:n]) == http2.Preface:
		return otherwise
	}
	if line, _, _ := bytes.Cut(in, []byte("\r\n")); bytes.Contains(line, []byte(" HTTP/")) {
		return refused
	}
	s.w.log.Infof("Client %s speaks neither HTTP/1 nor HTTP/2: connection closed", c.client.Peer.Addr())
	return clientGone
}

// multiplex makes a connection one that speaks HTTP/2; what its buffer holds is the beginning. asked: what it has
// asked for in HTTP/1, nil: nothing.
func multiplex(s *appThread, c *conn, asked *upgrading) {
	w := s.l
	early := c.In.Unread()
	if asked != nil {
		early = early[c.Size:]
	}
	c.mux = w.http2.Begin(c.Wire, early, mark(c))
	if asked != nil {
		c.mux.Upgraded(asked.settings, asked.head, asked.body)
	}
	w.freeRequest(c)
	c.become(multiplexed)
	c.readable = true // what came before it was watched has had its edge
	if !w.register(s, c, true) {
		return
	}
	if w.drain.on {
		c.mux.Warn()
		w.arm(c, classIdle, w.now)
	}
	w.later(c)
}

// mark is a connection's number for those that know it by number.
func mark(c *conn) uint64 { return uint64(uint32(c.fd()))<<32 | uint64(c.gen) }

// marked finds it again; nil: it has ended.
func (t *connTable) marked(mark uint64) *conn {
	c := t.at(int(int32(mark >> 32)))
	if c == nil || c.gen != uint32(mark) {
		return nil
	}
	return c
}

// upgrading is a request that asks for HTTP/2.
type upgrading struct{ settings, head, body []byte }

// upgrade makes a complete request the first stream of its connection, if a client that may has asked for it.
func upgrade(s *appThread, c *conn) bool {
	r := s.request(c)
	if c.h2 != nil || c.listener.secure || !c.client.Trusted || r.Major != 1 || r.Minor != 1 || c.Stream != nil ||
		c.body != nil && c.body.Apart() || s.body.Len > http2.MostUpgraded {
		return false
	}
	head := c.In.Unread()[:r.HeadLen]
	settings, asked := http2.Upgrade(head)
	if !asked {
		return false
	}
	if n, e := c.Wire.Send([]byte(http2.Switching), false); e != loop.None || n < len(http2.Switching) {
		s.abandon(c)
		return true
	}
	multiplex(s, c, &upgrading{settings, head, s.body.Mem})
	return true
}

// converse goes on with a connection that speaks HTTP/2. All that one read has brought is taken before any of its
// requests is served: what it has taken back reaches nobody.
func converse(s *appThread, c *conn) {
	w, m := s.l, c.mux
	m.Flush()
	came := h2io.Nothing
	if c.readable || c.fin {
		if came = m.Receive(); came == h2io.Nothing && c.fin {
			came = m.Receive() // a short read was not the end
		}
		c.readable = came == h2io.More || came == h2io.Held
	}
	takeNews(s, m)
	if c.phase != multiplexed {
		return
	}
	if came == h2io.More {
		w.later(c)
	}
	restMultiplexed(s, c)
}

// mostTurns is how many streams are told at a time that they may send: the first may take all the room.
const mostTurns = 8

// takeNews does what a connection's streams have to tell.
func takeNews(s *appThread, m *h2io.Conn) {
	for st, news := m.Next(); st != nil; st, news = m.Next() {
		if news&http2.Opened != 0 {
			openStream(s, m, st)
			continue
		}
		c := s.l.marked(st.Mark)
		if c == nil {
			continue
		}
		if news&http2.Gone != 0 {
			strand(s, c)
		} else {
			moved(s, c, loop.Event{Mask: loop.ReadEdge})
		}
	}
	for range mostTurns {
		st := m.NextTurn()
		if st == nil {
			return
		}
		if c := s.l.marked(st.Mark); c != nil {
			moved(s, c, loop.Event{Mask: loop.DuplexEdge &^ loop.ReadEdge})
		}
	}
	if c := s.l.marked(m.Mark); c != nil {
		s.l.later(c) // there may be room for others
	}
}

// openStream makes a stream a connection, which has its turn when those before it have had theirs.
func openStream(s *appThread, m *h2io.Conn, st *h2io.Stream) {
	w := s.l
	parent, facts := w.marked(m.Mark), st.Facts()
	c := w.openStream(parent, st)
	if c.client.Trusted {
		c.client.SetScheme(facts.HTTPS)
	}
	c.client.SetPriority(facts.Weight, facts.DependsOn)
	if facts.TooLarge {
		s.keepRequest(c)
		s.refuse(c, &body.Refusal{Status: 431, Invalid: errHeaderList})
		return
	}
	w.later(c)
}

// errHeaderList refuses a request over http2_max_header_list_size.
var errHeaderList = &http1.Error{Status: 431, Reason: "header list over http2_max_header_list_size"}

// moved is what epoll would say of a stream, had it a descriptor.
func moved(s *appThread, c *conn, ev loop.Event) {
	w := s.l
	if c.phase == serving {
		c.pending |= ev.Mask
		if w.hub != nil {
			w.hub.noticed(c)
		}
		return
	}
	c.note(ev)
	if c.phase != sending || ev.Writable() {
		w.later(c)
	}
}

// strand is a stream that its client has given up, or that has lost its connection. One that is being served finds
// out when it answers.
func strand(s *appThread, c *conn) {
	switch c.phase {
	case serving:
		c.pending |= loop.Dead // so that it does not wait for room
		if s.l.hub != nil {
			s.l.hub.noticed(c)
		}
	case sending:
		c.Suspended.Deserted = true
		s.abandon(c)
	default:
		s.abandon(c)
	}
}

// restMultiplexed leaves a connection to epoll and the timers, or ends it.
func restMultiplexed(s *appThread, c *conn) {
	w, state := s.l, c.mux.State()
	switch {
	case state.Broken:
		endMultiplexed(s, c)
	case state.Over && state.Waits == 0:
		c.mux.Close()
		takeNews(s, c.mux)
		s.linger(c)
	case state.Over:
		w.arm(c, classLinger, w.now)
	case state.Unsettled && !w.drain.on:
		w.arm(c, classHeader, w.now)
	case state.Streams > 0 && w.drain.on && c.class == classIdle: // it is told soon that the end is there
	case state.Streams > 0:
		w.timers.Disarm(&c.timer)
		c.class = classNone
	case w.set.Idle > 0 || w.drain.on:
		w.arm(c, classIdle, w.now)
	default:
		w.arm(c, classHeader, w.now) // as long as a client may take for its first request
	}
}

// endMultiplexed closes a connection that speaks HTTP/2, whatever its streams are at.
func endMultiplexed(s *appThread, c *conn) {
	c.mux.Close()
	takeNews(s, c.mux)
	s.l.close(c, false)
}

// abandonMultiplexed ends one that is in the way: it is told how far it has come.
func abandonMultiplexed(s *appThread, c *conn) {
	c.mux.Leave()
	endMultiplexed(s, c)
}

// overdueMultiplexed is one whose time is up, after a look into the socket.
func overdueMultiplexed(s *appThread, c *conn, class uint8) {
	w, m := s.l, c.mux
	before := m.State()
	c.readable = true
	gen := c.gen
	converse(s, c)
	if c.gen != gen || c.phase != multiplexed {
		return
	}
	switch state := m.State(); class {
	case classLinger: // the client takes the last answers
		if state.Waits >= before.Waits {
			endMultiplexed(s, c)
			return
		}
	case classHeader:
		if state.Unsettled {
			m.Fail(http2.ProtocolError)
		} else if state.Streams == 0 {
			m.Leave()
		}
	case classIdle:
		if state.Streams == 0 || w.drain.on {
			m.Leave()
		}
	}
	restMultiplexed(s, c)
}

// streamEnded looks after the connection of a stream that has ended.
func streamEnded(l *eventLoop, m *h2io.Conn) {
	if state := m.State(); state.Streams > 0 {
		return
	}
	if c := l.marked(m.Mark); c != nil && c.phase == multiplexed {
		l.later(c)
	}
}

// readElsewhere goes on with connections from which another thread has read.
func readElsewhere(s *appThread) {
	for _, m := range s.l.http2.Told() {
		if c := s.l.marked(m.Mark); c != nil && c.mux == m && c.phase == multiplexed {
			converse(s, c)
		}
	}
}

// hints sends 103, or keeps what follows a stream's body. False: a name or a value is invalid.
func hints(s *appThread, c *conn, a *answer.Answer, packed []byte) bool {
	head := response.PackedHead(packed)
	if string(head.Status()) != call.Trailers {
		return s.Hints(&c.Conn, a, packed)
	}
	trailers, ok := response.Trailers(head)
	if ok && c.h2 != nil {
		c.h2.Trailers(trailers)
	}
	return ok
}

// openStream makes a connection of a stream. It is as good as registered, and its client has said all that it will
// when the request is here: there is no FIN to be awaited.
func (t *connTable) openStream(parent *conn, st *h2io.Stream) *conn {
	c := t.unused()
	c.timer.FD = t.h2streams.enter(c)
	session := loop.NewTransport(parent.fd())
	c.Wire = session.Over(st)
	c.mux, c.h2, st.Mark = parent.mux, st, mark(c)
	c.listener, c.client, c.tls = parent.listener, parent.client, parent.tls
	c.readable, c.eof = true, true
	c.registered, c.duplex = true, true
	return c
}

// streamTable holds the connections that are streams. Their numbers are below zero, so that none is a
// descriptor's.
type streamTable struct {
	conns []*conn // by ^number
	free  []int   // places
	count int
}

// enter gives a stream its number.
func (t *streamTable) enter(c *conn) int {
	t.count++
	if n := len(t.free); n > 0 {
		place := t.free[n-1]
		t.free = t.free[:n-1]
		t.conns[place] = c
		return ^place
	}
	t.conns = append(t.conns, c)
	return ^(len(t.conns) - 1)
}

// leave takes it back.
func (t *streamTable) leave(number int) {
	t.count--
	t.conns[^number] = nil
	t.free = append(t.free, ^number)
}
