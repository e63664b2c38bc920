package wsgi

import (
	"gosrv/cpython"
	"gosrv/wsgi/http1"
)

// maxLent is how much memory in read buffers and blocks a worker may hold before
// further bodies go to spool files whatever their size.
const maxLent = 64 << 20

// incoming is a request body that is not complete. In memory it lies in the
// read buffer right after its head, as far as decoded:
//
//	unread  head | got bytes of body | (chunked: decoded framing) raw...
//
// Once it is in blocks or spooled, the buffer holds only what is not there yet.
type incoming struct {
	want  int64 // bytes in all; -1: chunked
	got   int64 // decoded so far
	chunk http1.ChunkReader
	raw   int // chunked: first unread byte of the buffer that is not decoded
	spool int // descriptor of the spool file, -1: in memory
	pace  pace

	split  bool // in blocks
	blocks []cpython.Block
	put    int64 // bytes in blocks
}

// apart tells that a body lies elsewhere than in the buffer.
func (b *incoming) apart() bool { return b.split || b.spool >= 0 }

// begin decides what follows a complete head.
func (s *slot) begin(c *conn, r *http1.Request) progress {
	w := s.l
	limit := w.set.bodyLimit
	if limit > 0 && r.ContentLength > limit {
		s.keepRequest(c)
		s.refuse(c, 413)
		return refused
	}
	end := r.HeadLen
	if !r.Chunked && r.ContentLength <= 0 {
		c.size = end
		s.body = cpython.Body{FD: -1}
		return complete
	}
	if n := r.ContentLength; !r.Chunked && n <= int64(c.in.Len()-end) {
		c.size = end + int(n)
		s.body = cpython.Body{Mem: c.in.Unread()[end:c.size], FD: -1, Len: n}
		return complete
	}
	if w.set.streamBody {
		return s.startStream(c, r, end)
	}
	s.keepRequest(c)
	b := w.getBody()
	*b = incoming{want: r.ContentLength, raw: end, spool: -1, blocks: b.blocks[:0]}
	b.pace.start(w.now, 0)
	if r.Chunked {
		b.want = -1
		b.chunk.Reset(&w.policy)
	}
	c.body, c.phase = b, filling
	if (b.want > w.set.bodyMemory || w.crowded()) && !s.putApart(c) {
		return refused
	}
	if r.ExpectContinue && c.in.Len() == end && !s.sendContinue(c) {
		return refused
	}
	return s.gather(c)
}

// sendContinue tells the client that its body is wanted (RFC 9110 10.1.1).
func (s *slot) sendContinue(c *conn) bool {
	n, _ := c.wire.Send([]byte(http1.Continue), false)
	if n != len(http1.Continue) {
		// A socket that has no room for 25 bytes belongs to a client that
		// does not read its answers.
		s.abandon(c)
		return false
	}
	return true
}

// gather takes what has arrived of a body.
func (s *slot) gather(c *conn) progress {
	b := c.body
	var p progress
	if b.want < 0 {
		p = s.gatherChunks(c)
	} else {
		p = s.gatherLength(c)
	}
	if p != complete {
		return p
	}
	s.body = s.whole(c, int(b.got))
	c.phase = reading
	return complete
}

// whole is the complete body of c. n is its length if it is in the buffer.
func (s *slot) whole(c *conn, n int) cpython.Body {
	if b := c.body; b != nil && b.apart() {
		return cpython.Body{FD: b.spool, Len: b.got, Blocks: b.blocks}
	}
	start := s.request(c).HeadLen
	return cpython.Body{FD: -1, Len: int64(n), Mem: c.in.Unread()[start : start+n]}
}

// putApart moves a body that is large, or comes while memory is short, to blocks
// or to a file. What the buffer has of it is moved by the caller.
func (s *slot) putApart(c *conn) bool {
	b, w := c.body, s.l
	if max(b.want, b.got) > w.set.bodyBlocks || w.crowded() || !s.startBlocks(c) {
		return s.startSpool(c)
	}
	return true
}

// crowded tells that bodies hold as much memory as they may.
func (w *eventLoop) crowded() bool {
	return w.bufs.Lent()+w.blocks.lent*cpython.BlockSize > w.set.memory
}

// store appends p to a body that lies apart.
func (s *slot) store(c *conn, p []byte) bool {
	b := c.body
	if b.split {
		if b.put+int64(len(p)) <= s.w.set.bodyBlocks && s.intoBlocks(b, p) {
			return true
		}
		if !s.spill(c) {
			return false
		}
	}
	return s.spool(c, p)
}

// gatherLength: the body is everything up to Content-Length.
func (s *slot) gatherLength(c *conn) progress {
	b := c.body
	start := c.req.HeadLen
	if !b.apart() {
		b.got = min(b.want, int64(c.in.Len()-start))
		c.size = start + int(b.got)
	} else {
		n := int(min(b.want-b.got, int64(c.in.Len()-start)))
		if n > 0 && !s.store(c, c.in.Unread()[start:start+n]) {
			return refused
		}
		b.got += int64(n)
		c.in.Cut(start, n)
		c.size = start
	}
	if b.got == b.want {
		return complete
	}
	return incomplete
}

// gatherChunks decodes in place: data moves down to where the body ends.
func (s *slot) gatherChunks(c *conn) progress {
	w, b := s.l, c.body
	start := c.req.HeadLen
	in := c.in.Unread()
	end := start // of the decoded bytes in the buffer
	if !b.apart() {
		end += int(b.got)
	}
	for b.raw < len(in) {
		data, used, state, err := b.chunk.Next(in[b.raw:])
		if err != nil {
			bad := err.(*http1.Error)
			s.logRefusal(c, bad)
			s.refuse(c, bad.Status)
			return refused
		}
		if state == http1.Done {
			b.raw += used
			c.size = b.raw
			return s.flushChunks(c, start, end, complete)
		}
		if state == http1.Data {
			copy(in[end:], data.Of(in[b.raw:]))
			end += int(data.Len)
			b.got += int64(data.Len)
		}
		b.raw += used
		if w.set.bodyLimit > 0 && b.got > w.set.bodyLimit {
			s.refuse(c, 413)
			return refused
		}
	}
	// All is decoded: the framing's place is free again.
	b.raw = end
	c.in.Truncate(end)
	if !b.apart() && (b.got > w.set.bodyMemory || w.crowded()) && !s.putApart(c) {
		return refused
	}
	return s.flushChunks(c, start, end, incomplete)
}

// flushChunks moves decoded bytes to where the body lies, if it lies apart.
func (s *slot) flushChunks(c *conn, start, end int, p progress) progress {
	b := c.body
	if !b.apart() || start == end {
		return p
	}
	if !s.store(c, c.in.Unread()[start:end]) {
		return refused
	}
	if p == incomplete {
		b.raw = start
		c.in.Truncate(start)
	}
	return p
}
