// Package h2io speaks HTTP/2 on a loop's connections: it reads frames for the sessions of http2, gives each of
// their streams to the server as the transport of a connection of its own, and sends what they have to say
// together. Threads other than the one that leads may answer on a stream, and wait for one.
package h2io

import (
	"sync"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
)

const (
	// inSize is how much is read at a time, and holds the largest usual frame.
	inSize = 64 << 10
	// mostReads is how often a connection is read before others have their turn.
	mostReads = 4
	// outSize holds what may be unsent, and the heads of answers behind it.
	outSize = http2.MostUnsent + 16<<10
)

// Conn is one connection that speaks HTTP/2. reading is locked before mu.
type Conn struct {
	Mark  uint64 // the owner's number for it
	table *Table

	reading sync.Mutex     // guards what follows, and all reading from wire
	wire    loop.Transport // sending from it is guarded by mu
	in      []byte         // lent while it is read
	got     int            // bytes of in
	rest    []byte         // the beginning of a frame, meanwhile

	mu      sync.Mutex // guards what follows
	s       *http2.Session
	queued  int   // streams that have begun, and whose turn has not come
	keptAt  int64 // CLOCK_MONOTONIC ns: since when bytes are kept that might be sent; 0: none are
	listed  bool  // the table's flusher knows of it
	ended   bool  // nothing more comes from the client
	broken  bool  // nothing more can be sent
	shut    bool  // Close was called: the socket is the owner's alone
	left    int64 // bytes that the socket has taken
	waiters []*loop.Waker

	yielding bool // a stream lets another send first, and is to be told when that has
}

// Came is what a read has brought.
type Came uint8

const (
	Nothing Came = iota // no more is here
	More                // more may be: others first
	Held                // more may be, and is not read before the client takes what it was sent
	End                 // the client has ended the connection
)

// Begin makes one of a connection that is the caller's, with bytes that have come already. wire stays the
// caller's to close, after Close.
func (t *Table) Begin(wire loop.Transport, early []byte, mark uint64) *Conn {
	return &Conn{Mark: mark, table: t, wire: wire, s: http2.New(t.set, loop.Now()), rest: append([]byte(nil), early...)}
}

// Upgraded makes the request of which the connection has begun its first stream, before the first Receive.
func (c *Conn) Upgraded(settings, head, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Begin(settings, head, body)
}

// lendIn takes a buffer with room for a frame, and puts the beginning of one into it. The caller holds reading.
func (c *Conn) lendIn() {
	if most := max(c.table.set.Frame+64, len(c.rest)); most > inSize {
		c.in = make([]byte, most)
	} else {
		c.in = inBuffers.Get().(*[inSize]byte)[:]
	}
	c.got = copy(c.in, c.rest)
	c.rest = nil
}

// returnIn gives the buffer back. Clients that have sent half a frame keep no more than that.
func (c *Conn) returnIn() {
	if c.got > 0 {
		c.rest = append([]byte(nil), c.in[:c.got]...)
	}
	if len(c.in) == inSize {
		inBuffers.Put((*[inSize]byte)(c.in))
	}
	c.in, c.got = nil, 0
}

// Receive reads what is here and takes it, without blocking. Any thread may call it; the loop is told of what
// another one has read.
func (c *Conn) Receive() Came {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.lendIn()
	defer c.returnIn()
	for range mostReads {
		if came := c.mayRead(); came != Nothing {
			return came
		}
		if c.got > 0 && c.took() { // it came with the connection's beginning
			continue
		}
		room := c.in[c.got:]
		n, e := c.wire.Recv(room)
		switch {
		case e == loop.None && n > 0:
			c.got += n
			c.took()
			if n < len(room) {
				return Nothing
			}
		case e == unix.EAGAIN:
			return Nothing
		default:
			c.lose()
			return End
		}
	}
	return More
}

// mayRead tells why nothing is read, or Nothing.
func (c *Conn) mayRead() Came {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.shut || c.s.Dead() {
		return End
	}
	if c.s.Waits() >= http2.MostUnsent {
		if c.flush(); c.s.Waits() >= http2.MostUnsent {
			return Held
		}
	}
	return Nothing
}

// took feeds the session with what the buffer holds, and tells whether it has taken something.
func (c *Conn) took() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lend()
	used := c.s.Feed(c.in[:c.got], loop.Now())
	c.got = copy(c.in, c.in[used:c.got])
	c.settle()
	c.signal()
	return used > 0
}

// lose is the client's end.
func (c *Conn) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.s.Lose()
	c.signal()
}

// Partial tells whether the beginning of a frame has come, and no more.
func (c *Conn) Partial() bool {
	c.reading.Lock()
	defer c.reading.Unlock()
	return len(c.rest) > 0
}

// Next is a stream with something to tell; nil: there is none.
func (c *Conn) Next() (*Stream, http2.News) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st, news := c.s.Next()
	if st == nil {
		c.settle()
		return nil, 0
	}
	if news&http2.Opened != 0 {
		st.Owner = &Stream{c: c, st: st}
		c.queued++
	}
	return st.Owner.(*Stream), news
}

// NextTurn is a stream that has found no room for its answer, and for which there is some now; nil: there is
// none.
func (c *Conn) NextTurn() *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.s.NextTurn(); st != nil {
		return st.Owner.(*Stream)
	}
	return nil
}

// recall has the loop look for NextTurn, if a stream has let another send first that has done so. The caller
// holds mu.
func (c *Conn) recall() {
	if c.yielding {
		c.yielding = false
		c.table.told.Put(c)
	}
}

// Flush sends what can be sent.
func (c *Conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
}

// flush is Flush; the caller holds mu.
func (c *Conn) flush() {
	c.keptAt = 0
	sent := false
	for c.s.Waits() > 0 && !c.broken && !c.shut {
		n, e := c.wire.Send(c.s.Unsent(), false)
		if e == unix.EAGAIN {
			break
		}
		if e != loop.None {
			c.broken = true
			break
		}
		c.s.Sent(n)
		c.left += int64(n)
		sent = true
	}
	if b := c.s.Release(); cap(b) == outSize {
		outBuffers.Put((*[outSize]byte)(b[:outSize]))
	}
	if sent {
		c.signal()
	}
}

// lend gives the session a buffer for what it has to say. The caller holds mu.
func (c *Conn) lend() {
	if !c.s.HasBuffer() {
		c.s.Lend(outBuffers.Get().(*[outSize]byte)[:])
	}
}

// settle sends what there is, unless other streams are about to have their turn: then it is kept for what
// they have to say, a millisecond at most. The caller holds mu.
func (c *Conn) settle() {
	if c.s.Waits() == 0 {
		return
	}
	if c.queued == 0 && !c.s.HasNews() || c.s.Waits() >= http2.MostUnsent/2 {
		c.flush()
		return
	}
	c.keep()
}

// keep leaves what is to be sent to whoever says more within a millisecond.
func (c *Conn) keep() {
	if c.keptAt == 0 {
		c.keptAt = loop.Now()
		c.table.watch(c)
	}
}

// State is what the owner goes by.
type State struct {
	Streams   int  // that have not ended
	Unsettled bool // the client owes the rest of what it has begun: SETTINGS, a header block
	Warned    bool // the client was told that the connection ends
	Over      bool // there will be no further stream, and none is left
	Broken    bool // nothing more can be sent, or comes
	Waits     int  // bytes that the socket has not taken
}

// State tells it.
func (c *Conn) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return State{c.s.Streams(), c.s.Unsettled(), c.s.Warned(), c.s.Over(), c.broken || c.ended, c.s.Waits()}
}

// Warn tells the client that the connection is going to end; Leave, that it does, with what has come so far.
func (c *Conn) Warn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Warn()
	c.flush()
}

// Leave is the second step, which follows by itself when the client has understood the first.
func (c *Conn) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Leave()
	c.flush()
}

// Fail ends the connection with an error.
func (c *Conn) Fail(code http2.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Fail(code)
	c.flush()
	c.signal()
}

// Close gives the socket back to the owner: no other thread reads from it or writes to it any more. Streams
// that are left are gone.
func (c *Conn) Close() {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
	c.shut, c.ended = true, true
	c.s.Lose()
	c.signal()
}

var (
	inBuffers  = sync.Pool{New: func() any { return new([inSize]byte) }}
	outBuffers = sync.Pool{New: func() any { return new([outSize]byte) }}
)
