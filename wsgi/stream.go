package wsgi

import (
	"sync"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

const (
	// streamLook is how long, in ms, a wait for bytes lasts at most: then it is
	// looked whether the call has ended meanwhile, and for Python's signals.
	streamLook = 1000
	// stageLeast is the room that chunks at least have behind the head.
	stageLeast = 4 << 10
)

// inflow is a request body that the application reads as it comes: the setting
// stream_request_body. It is the one part of a connection that threads without
// the lead read, threads of the application's own among them, and it is used
// under mu only. Until end gives it back, the read buffer behind the head is
// the stream's, and so is all reading from the socket.
type inflow struct {
	w  *worker
	c  *conn
	id uint64 // by which C knows it

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

	waited int64 // ns that the client was waited for, in all
	idle   int64 // since its last byte
	pace   pace  // of got, in the time waited: the application's does not count
	shown  int64 // the start of the request that the scoreboard shows
}

// inflows are the bodies that the application may read, by their number.
type inflows struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]*inflow
}

func (t *inflows) add(st *inflow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[uint64]*inflow{}
	}
	t.last++
	st.id = t.last
	t.open[st.id] = st
}

func (t *inflows) find(id uint64) *inflow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[id]
}

func (t *inflows) remove(st *inflow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, st.id)
}

// startStream makes an inflow of the body behind a complete head, which ends at
// end. The request is served at once. The caller leads.
func (s *slot) startStream(c *conn, r *http1.Request, end int) progress {
	w := s.l
	st := &inflow{w: s.w, c: c, left: r.ContentLength, expect: r.ExpectContinue && c.in.Len() == end, shown: w.now}
	if r.Chunked {
		st.left = -1
		st.chunk.Reset(&w.policy)
		// They are decoded behind their head, where they need room.
		c.in.Shift()
		c.in.Grow(&w.bufs, max(loop.MediumBuffer, end+stageLeast))
	}
	st.buf, st.from, st.raw, st.end = c.in.Extent(), end, end, c.in.Len()
	c.stream = st
	w.streams.add(st)
	s.body = st.body()
	return complete
}

// readBody is what wsgi.input reaches for the stream of that number; any thread
// may call it. It is cpython.Callbacks.ReadBody.
func (w *worker) readBody(id uint64, p []byte) int {
	st := w.streams.find(id)
	if st == nil {
		return -int(unix.ECANCELED)
	}
	return st.read(p)
}

// read waits until there is a part of the body and puts it into p. It returns
// the number of bytes, 0 at the end, or a negative errno: EINTR asks to look for
// signals and come again, ECANCELED says that the call has ended, any other
// stays.
func (st *inflow) read(p []byte) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	for {
		if st.over {
			return -int(unix.ECANCELED)
		}
		n := 0
		if st.fault == 0 && !st.whole {
			n = st.take(p)
		}
		switch {
		case n > 0:
			st.advance()
			return n
		case st.fault != 0:
			return -int(st.fault)
		case st.whole:
			return 0
		}
		if st.invite() && !st.wait() {
			return -int(unix.EINTR)
		}
	}
}

// take decodes what is here into p, without waiting. 0: nothing, or whole or
// fault say why.
func (st *inflow) take(p []byte) int {
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
func (st *inflow) takeLength(p []byte) (n int) {
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
func (st *inflow) takeChunks(p []byte) (n int) {
	for n < len(p) && st.raw < st.end && !st.whole {
		src := st.buf[st.raw:min(st.end, st.raw+len(p)-n)] // decoded it fits
		data, used, state, err := st.chunk.Next(src)
		if err != nil {
			st.w.logRefusal(st.c, err.(*http1.Error))
			st.fault = unix.EBADMSG
			return n
		}
		n += copy(p[n:], data.Of(src))
		st.raw += used
		st.whole = state == http1.Done
	}
	st.got += int64(n)
	if limit := st.w.set.bodyLimit; limit > 0 && st.got > limit {
		st.fault = unix.EFBIG
		return 0
	}
	return n
}

// receive reads once from the socket. 0: it is empty, or fault says why.
func (st *inflow) receive(p []byte) int {
	n, e := st.c.wire.Recv(p)
	switch {
	case e == loop.None && n > 0:
		st.idle = 0
		st.expect = false // it did not wait to be asked
		return n
	case again(e):
		return 0
	}
	st.w.log.Debugf("Client %s has closed the connection before its request body was complete", st.c.facts.Peer.Addr())
	st.fault = unix.ECONNRESET
	return 0
}

// invite tells a client that waits for it that its body is wanted (RFC 9110
// 10.1.1), unless the answer has begun. false: it is gone.
func (st *inflow) invite() bool {
	if !st.expect || st.begun {
		return true
	}
	st.expect = false
	if n, _ := st.c.wire.Send([]byte(http1.Continue), false); n != len(http1.Continue) {
		st.fault = unix.ECONNRESET
		return false
	}
	return true
}

// wait waits for the client, with mu released meanwhile. false: somebody should
// look for signals.
func (st *inflow) wait() bool {
	limit, look := int64(st.w.set.body), int64(streamLook*1e6)
	if limit > 0 {
		look = max(min(look, limit-st.idle), 1e6)
	}
	wire, began := st.c.wire, loop.Now()
	st.mu.Unlock()
	ready := wire.WaitReadable(int(look / 1e6))
	st.mu.Lock()
	if st.over {
		return true
	}
	took := loop.Now() - began
	st.waited += took
	st.idle += took
	if limit > 0 && (!ready && st.idle >= limit || st.pace.slow(st.waited, st.got, st.w.set.body)) {
		st.w.log.Debugf("Client %s sends its request body too slowly", st.c.facts.Peer.Addr())
		st.fault = unix.ETIMEDOUT
		return true
	}
	return ready
}

// advance lets the time that a request has begin again: it is not stuck as long
// as the body comes.
func (st *inflow) advance() {
	now := loop.Now()
	st.w.slots[st.c.slot].watched.Extend(now)
	if st.w.set.threads == 1 && st.w.score.Progress(st.shown, now) {
		st.shown = now
	}
}

// body is what the application is called with. A request that had to wait is
// called with it when other requests have been served in between.
func (st *inflow) body() cpython.Body { return cpython.Body{FD: -1, Stream: st.id} }

// answered is told when the answer begins. It reports whether the connection
// may be kept: not if the body has failed, if a client was not asked for it, or
// if more of it is known to come than is worth reading.
func (st *inflow) answered() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.begun = true
	return st.whole || st.fault == 0 && !st.expect && st.left <= lingerBytes
}

// refusal is the status for an application that has failed: the client's fault
// where its body was the reason.
func (st *inflow) refusal() int {
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

// cancel ends the application's reading; whoever waits in it finds out soon.
func (st *inflow) cancel() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.over = true
}
