package h2io

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
)

// Stream is one request and its answer, as HTTP/1 text. It implements loop.Layer: what is read from it is a head
// and a body, what is sent to it becomes HEADERS and DATA, and its end is the answer's. One thread at a time
// reads and one sends.
type Stream struct {
	Mark uint64 // the owner's number for it
	c    *Conn
	st   *http2.Stream

	// Guarded by the connection's mu.
	turned  bool  // its turn has come
	ended   bool  // st is no longer its
	yielded int64 // CLOCK_MONOTONIC ns: since when it lets more urgent ones send first; 0: it does not
	pace    pace
}

var _ loop.Layer = (*Stream)(nil)

// Facts is what a stream's client says of it beside the request's text.
type Facts struct {
	TooLarge  bool // the header list is: there is no text
	HTTPS     bool // :scheme
	Weight    int  // priority of RFC 7540
	DependsOn uint32
}

// Facts tells it.
func (t *Stream) Facts() Facts {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return Facts{t.st.TooLarge, t.st.HTTPS, t.st.Weight, t.st.DependsOn}
}

// turn notes that the stream has its turn: its answer may be what the others wait for. The caller holds mu.
func (t *Stream) turn() {
	if !t.turned {
		t.turned = true
		t.c.queued--
	}
}

// gone tells that nobody waits for the answer. The caller holds mu.
func (t *Stream) gone() bool { return t.ended || t.st.Gone() || t.c.broken }

// Recv reads the request's text, without blocking.
func (t *Stream) Recv(b []byte) (int, unix.Errno) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	t.turn()
	if t.ended {
		return 0, unix.ECONNRESET
	}
	n := 0
	if t.st.Unread() > 0 {
		c.lend()
		n = t.st.Read(b)
		c.settle()
	}
	switch {
	case n > 0:
		return n, loop.None
	case t.st.Gone():
		return 0, unix.ECONNRESET
	}
	return 0, unix.EAGAIN
}

// Send takes the answer's text. more: more follows at once.
func (t *Stream) Send(b []byte, more bool) (int, unix.Errno) {
	return t.Sendv(&[3][]byte{b}, more)
}

// Sendv is Send of up to three buffers in order. A head is in one piece.
func (t *Stream) Sendv(segs *[3][]byte, more bool) (int, unix.Errno) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	t.turn()
	if t.gone() {
		return 0, unix.EPIPE
	}
	c.lend()
	first := segs[0]
	heads, e := t.heads(first)
	if e != loop.None {
		return 0, e
	}
	taken := heads
	for i := range segs {
		p := segs[i]
		if i == 0 {
			p = first[heads:]
		}
		n := t.data(p)
		if taken += n; n < len(p) {
			break
		}
	}
	switch {
	case taken == 0 && len(segs[0])+len(segs[1])+len(segs[2]) > 0:
		return 0, unix.EAGAIN
	}
	c.recall()
	switch {
	case more:
		c.keep()
	default:
		c.settle()
	}
	return taken, loop.None
}

// heads takes the heads with which text begins, as long as the final one is due. The caller holds mu.
func (t *Stream) heads(text []byte) (int, unix.Errno) {
	c, at := t.c, 0
	for !t.st.Headed() && at < len(text) {
		if c.s.Waits() >= http2.MostUnsent {
			if c.flush(); c.s.Waits() >= http2.MostUnsent {
				t.st.Room() // it waits for some
				return at, unix.EAGAIN
			}
			c.lend()
		}
		n := t.st.Answer(text[at:])
		if n == 0 {
			t.end(http2.InternalError) // not one of this server's heads
			return 0, unix.EPIPE
		}
		at += n
	}
	return at, loop.None
}

// data takes as much of a body as there is room for. The caller holds mu.
func (t *Stream) data(p []byte) (taken int) {
	c := t.c
	for len(p) > 0 && !c.broken {
		room := t.mayTake()
		if room == 0 && c.s.Waits() > 0 && !t.st.Stalled() {
			c.flush()
			c.lend()
			room = t.mayTake()
		}
		if room == 0 {
			break
		}
		n := min(room, len(p))
		t.st.Data(p[:n])
		p = p[n:]
		taken += n
	}
	return taken
}

// SendFile reads up to n bytes of file from *off and takes them as Send does; it advances *off by what was
// taken. Zero bytes without an error is the end of the file.
func (t *Stream) SendFile(file int, off *int64, n int) (int, unix.Errno) {
	buf := fileBuffers.Get().(*[http2.MostUnsent]byte)
	defer fileBuffers.Put(buf)
	most, e := t.room()
	if e != loop.None {
		return 0, e
	}
	read, err := unix.Pread(file, buf[:min(n, most)], *off) // not under mu: it may wait for a disk
	if err != nil {
		return 0, err.(unix.Errno)
	}
	if read == 0 {
		return 0, loop.None
	}
	sent, e := t.Send(buf[:read], false)
	*off += int64(sent)
	return sent, e
}

// room is how much Send would take.
func (t *Stream) room() (int, unix.Errno) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.gone() {
		return 0, unix.EPIPE
	}
	if c.s.Waits() >= http2.MostUnsent/2 {
		c.flush()
		c.lend()
	}
	if n := t.mayTake(); n > 0 {
		return min(n, http2.MostUnsent), loop.None
	}
	return 0, unix.EAGAIN
}

// mayTake is how much of a body the session takes from this stream now: nothing, for a while, if a more urgent one
// has its turn. The caller holds mu.
func (t *Stream) mayTake() int {
	c, n := t.c, t.st.Room()
	if n == 0 {
		return 0
	}
	if !t.st.Yields() {
		t.yielded = 0
		return n
	}
	now := loop.Now()
	if t.yielded == 0 {
		t.yielded = now
		time.AfterFunc(mostYielded, func() { c.table.told.Put(c) })
	}
	if now-t.yielded >= int64(mostYielded) {
		t.yielded = 0
		c.s.PassOver()
		return n
	}
	t.st.Await()
	c.yielding = true
	return 0
}

// mostYielded is how long a stream lets a more urgent one send first that does not come: the thread that has it
// may be at another request.
const mostYielded = 5 * time.Millisecond

var fileBuffers = sync.Pool{New: func() any { return new([http2.MostUnsent]byte) }}

// HalfClose is the end of the answer.
func (t *Stream) HalfClose() { t.Close() }

// Close is the end of the answer, too. One that was not begun, or is shorter than it says, is reset.
func (t *Stream) Close() { t.finish(http2.NoError) }

// Reset tells the client that the answer is not whole.
func (t *Stream) Reset() { t.finish(http2.InternalError) }

func (t *Stream) finish(code http2.Code) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	t.turn()
	if t.ended {
		return
	}
	c.lend()
	t.end(code)
	c.settle()
}

// end ends the stream, with an answer (NoError) or without. The caller holds mu.
func (t *Stream) end(code http2.Code) {
	if t.ended {
		return
	}
	t.ended = true
	if code == http2.NoError {
		t.st.End()
	} else {
		t.st.Reset(code)
	}
	t.st = nil
	t.c.recall()
}

// Trailers keeps what is to follow the body: names in lower case, and values.
func (t *Stream) Trailers(fields [][2]string) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !t.ended {
		t.st.Trailers(fields)
	}
}

// pace is how a stream's client takes answers, as far as this stream has its turn.
type pace struct {
	seen int64 // bytes of the whole connection, confirmed, at the last look
	all  int64 // of them while the stream waited for its turn
	turn bool  // it did at the last look
}

// Unconfirmed is how many bytes of the answer the client has not taken. While it is the connection that lacks
// room, and not the stream's own window, what others of its streams have got counts for this one, too: so it
// may be less than nothing.
func (t *Stream) Unconfirmed() int {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.ended || c.shut {
		return 0
	}
	confirmed := c.left - int64(c.wire.Unconfirmed())
	turn := !t.st.Stalled()
	if turn && t.pace.turn {
		t.pace.all += max(0, confirmed-t.pace.seen)
	}
	t.pace.seen, t.pace.turn = confirmed, turn
	return -int(t.pace.all)
}
