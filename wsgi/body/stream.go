package body

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

const (
	// streamLook is how long, in ms, a wait for bytes lasts at most: then it is
	// looked whether the call has ended meanwhile, and for Python's signals.
	streamLook = 1000
	// stageLeast is the room that chunks at least have behind the head.
	stageLeast = 4 << 10
	// MostDropped is how much of a body, in bytes, is read and dropped after an
	// answer that did not wait for it.
	MostDropped = 64 << 10
)

// StreamRules are the same for all streams.
type StreamRules struct {
	Policy  *http1.Policy
	Limit   int64         // of a body, bytes; 0: none
	Timeout time.Duration // from its last byte, and the window of its least rate; 0: none
}

// StreamOwner is told what happens while the application reads, by the thread
// that reads and with the stream locked.
type StreamOwner interface {
	// Progressed says at the moment now, CLOCK_MONOTONIC ns, that bytes have come.
	Progressed(now int64)
	// Failed says why no more will come; invalid is the client's fault in its
	// framing, or nil.
	Failed(why string, invalid *http1.Error)
}

// Stream is a request body that the application reads as it comes: the setting
// stream_request_body. It is the one part of a connection that threads without
// the lead read, threads of the application's own among them, and it is used
// under mu only. Until End gives it back, the read buffer behind the head is
// the stream's, and so is all reading from the socket.
type Stream struct {
	all   *Streams
	rules *StreamRules
	owner StreamOwner
	wire  loop.Transport
	id    uint64 // by which C knows it

	mu       sync.Mutex
	buf      []byte // the connection's read buffer, from the head on
	from     int    // where the stream's part of it begins
	raw, end int    // buf[raw:end] was received and is not decoded
	left     int64  // of Content-Length; -1: chunked
	got      int64  // bytes of body that the application has
	chunk    http1.ChunkReader

	expect bool       // 100 Continue is due before the first wait
	begun  bool       // the answer has begun: it is too late for that
	whole  bool       // the body has come to its end
	over   bool       // nobody may read any more
	fault  unix.Errno // what ended it before; 0: nothing

	clock streamClock
}

// streamClock is the time in which the client is waited for: the application's
// own does not count.
type streamClock struct {
	waited int64   // ns, in all
	idle   int64   // ns, since its last byte
	since  int64   // CLOCK_MONOTONIC ns: since when a reader that does not wait here has been waiting; 0: it has not
	rate   MinRate // of the bytes that the application has
}

// Streams are the bodies that the application may read, by their number. Any
// thread may use them.
type Streams struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]*Stream
}

func (t *Streams) add(st *Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[uint64]*Stream{}
	}
	t.last++
	st.id = t.last
	t.open[st.id] = st
}

func (t *Streams) find(id uint64) *Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[id]
}

func (t *Streams) remove(st *Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, st.id)
}

// Start makes a stream of the body behind a head that is complete in the buffer.
// The leader calls it.
func (t *Streams) Start(m *Memory, in *loop.Buffer, wire loop.Transport, r *http1.Request, rules *StreamRules, owner StreamOwner) *Stream {
	end := r.HeadLen
	st := &Stream{all: t, rules: rules, owner: owner, wire: wire, left: r.ContentLength, expect: r.ExpectContinue && in.Len() == end}
	if r.Chunked {
		st.left = -1
		st.chunk.Reset(rules.Policy)
		// They are decoded behind their head, where they need room.
		in.Shift()
		in.Grow(&m.Bufs, max(loop.MediumBuffer, end+stageLeast))
	}
	st.buf, st.from, st.raw, st.end = in.Extent(), end, end, in.Len()
	t.add(st)
	return st
}

// Read is what wsgi.input reaches for the stream of that number; any thread may
// call it. It waits until there is a part of the body and puts it into p. It
// returns the number of bytes, 0 at the end, or a negative errno: EINTR asks to
// look for signals and come again, ECANCELED says that the call has ended, any
// other stays.
func (t *Streams) Read(id uint64, p []byte) int {
	st := t.find(id)
	if st == nil {
		return -int(unix.ECANCELED)
	}
	return st.read(p)
}

// TryRead is Read for a thread that must not wait: EAGAIN says that nothing is here, and to come again when
// something is, or at the end of the time that the body has.
func (t *Streams) TryRead(id uint64, p []byte) int {
	st := t.find(id)
	if st == nil {
		return -int(unix.ECANCELED)
	}
	return st.tryRead(p)
}

// tryRead is TryRead.
func (st *Stream) tryRead(p []byte) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	now := loop.Now()
	if since := st.clock.since; since != 0 {
		st.clock.since = 0
		st.waited(now-since, false)
	}
	n := st.next(p)
	if n == -int(unix.EAGAIN) && st.invite() {
		st.clock.since = now
	} else if n == -int(unix.EAGAIN) {
		n = -int(st.fault)
	}
	return n
}

// next is what is here, without waiting; -EAGAIN: nothing.
func (st *Stream) next(p []byte) int {
	if st.over {
		return -int(unix.ECANCELED)
	}
	n := 0
	if st.fault == 0 && !st.whole {
		n = st.take(p)
	}
	switch {
	case n > 0:
		st.owner.Progressed(loop.Now())
	case st.fault != 0:
		n = -int(st.fault)
	case !st.whole:
		n = -int(unix.EAGAIN)
	}
	return n
}

// read is Read.
func (st *Stream) read(p []byte) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	for {
		if n := st.next(p); n != -int(unix.EAGAIN) {
			return n
		}
		if st.invite() && !st.wait() {
			return -int(unix.EINTR)
		}
	}
}

// take decodes what is here into p, without waiting. 0: nothing, or whole or
// fault say why.
func (st *Stream) take(p []byte) int {
	if st.left >= 0 {
		return st.takeLength(p)
	}
	for {
		if n := st.takeChunks(p); n > 0 || st.whole || st.fault != 0 {
			return n
		}
		st.raw, st.end = st.from, st.from
		n := st.receive(st.buf[st.end:])
		if n == 0 {
			return 0
		}
		st.end += n
	}
}

// takeLength: the body is everything up to Content-Length, and no byte more is
// taken off the socket.
func (st *Stream) takeLength(p []byte) (n int) {
	p = p[:min(int64(len(p)), st.left)]
	if st.raw < st.end {
		n = copy(p, st.buf[st.raw:st.end])
		st.raw += n
	} else {
		n = st.receive(p)
	}
	st.left -= int64(n)
	st.got += int64(n)
	st.whole = st.left == 0
	return n
}

// takeChunks decodes from the buffer only.
func (st *Stream) takeChunks(p []byte) (n int) {
	for n < len(p) && st.raw < st.end && !st.whole {
		src := st.buf[st.raw:min(st.end, st.raw+len(p)-n)] // decoded it fits
		data, used, state, err := st.chunk.Next(src)
		if err != nil {
			st.fail(unix.EBADMSG, "", err.(*http1.Error))
			return n
		}
		n += copy(p[n:], data.Of(src))
		st.raw += used
		st.whole = state == http1.Done
	}
	st.got += int64(n)
	if limit := st.rules.Limit; limit > 0 && st.got > limit {
		st.fault = unix.EFBIG
		return 0
	}
	return n
}

// receive reads once from the socket. 0: it is empty, or fault says why.
func (st *Stream) receive(p []byte) int {
	n, e := st.wire.Recv(p)
	switch {
	case e == loop.None && n > 0:
		st.clock.idle = 0
		st.expect = false // it did not wait to be asked
		return n
	case e == unix.EAGAIN:
		return 0
	}
	st.fail(unix.ECONNRESET, "has closed the connection before its request body was complete", nil)
	return 0
}

// invite tells a client that waits for it that its body is wanted (RFC 9110
// 10.1.1), unless the answer has begun. false: it is gone.
func (st *Stream) invite() bool {
	if !st.expect || st.begun {
		return true
	}
	st.expect = false
	if n, _ := st.wire.Send([]byte(http1.Continue), false); n != len(http1.Continue) {
		st.fault = unix.ECONNRESET
		return false
	}
	return true
}

// wait waits for the client, with mu released meanwhile. false: somebody should
// look for signals.
func (st *Stream) wait() bool {
	limit, look := int64(st.rules.Timeout), int64(streamLook*1e6)
	if limit > 0 {
		look = max(min(look, limit-st.clock.idle), 1e6)
	}
	wire, began := st.wire, loop.Now()
	st.mu.Unlock()
	ready := wire.WaitReadable(int(look / 1e6))
	st.mu.Lock()
	if st.over {
		return true
	}
	return st.waited(loop.Now()-began, ready) || ready
}

// waited counts time in which the client was waited for, in ns. true: it was too long.
func (st *Stream) waited(took int64, ready bool) bool {
	limit := int64(st.rules.Timeout)
	st.clock.waited += took
	st.clock.idle += took
	if limit > 0 && (!ready && st.clock.idle >= limit || st.clock.rate.TooSlow(st.clock.waited, st.got, st.rules.Timeout)) {
		st.fail(unix.ETIMEDOUT, "sends its request body too slowly", nil)
		return true
	}
	return false
}

// fail ends the reading for good.
func (st *Stream) fail(fault unix.Errno, why string, invalid *http1.Error) {
	st.fault = fault
	st.owner.Failed(why, invalid)
}

// Whole is what the application is called with. A request that had to wait is
// called with it when other requests have been served in between.
func (st *Stream) Whole() call.Body { return call.Body{FD: -1, Stream: st.id} }

// Answered is told when the answer begins. It reports whether the connection
// may be kept: not if the body has failed, if a client was not asked for it, or
// if more of it is known to come than is worth reading.
func (st *Stream) Answered() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.begun = true
	return st.whole || st.fault == 0 && !st.expect && st.left <= MostDropped
}

// Refusal is the status for an application that has failed: the client's fault
// where its body was the reason.
func (st *Stream) Refusal() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.begun = true
	switch st.fault {
	case 0:
		return 500
	case unix.ETIMEDOUT:
		return 408
	case unix.EFBIG:
		return 413
	}
	return 400
}

// Cancel ends the application's reading; whoever waits in it finds out soon.
func (st *Stream) Cancel() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.over = true
}

// Unread is what was received and not read; valid until the next read.
func (st *Stream) Unread() []byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.buf[st.raw:st.end]
}

// Lock keeps the stream from sending 100 Continue until Unlock.
func (st *Stream) Lock() { st.mu.Lock() }

// Unlock ends Lock.
func (st *Stream) Unlock() { st.mu.Unlock() }
