package body

import (
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// Refusal says why a body is not taken.
type Refusal struct {
	Status  int          // that the client is answered with
	Invalid *http1.Error // the client's fault, for the log; nil: nothing to log
	Fault   string       // the server's own, for its error log; "": none
}

var tooLarge = &Refusal{Status: 413}

// store is where a body lies.
type store uint8

const (
	inBuffer store = iota // behind its head in the read buffer
	inBlocks
	inFile
)

// Body is a request body that is not complete. In memory it lies in the read
// buffer right after its head, as far as decoded:
//
//	unread  head | got bytes of body | (chunked: decoded framing) raw...
//
// Once it is in blocks or in a file, the buffer holds only what is not there yet.
type Body struct {
	m    *Memory
	in   *loop.Buffer
	head int   // bytes of the head in the buffer
	want int64 // bytes in all; -1: chunked
	got  int64 // decoded so far
	size int   // bytes of the buffer that the request is, once it is complete

	chunk http1.ChunkReader
	raw   int // chunked: first unread byte of the buffer that is not decoded
	rate  MinRate

	store  store
	file   int // inFile: its descriptor
	blocks []call.BodyBlock
	put    int64 // bytes in blocks
}

// Begin takes the body behind a head that is complete in the buffer. The caller
// goes on with Take; End frees the Body.
func (m *Memory) Begin(by Thread, in *loop.Buffer, r *http1.Request, policy *http1.Policy, now int64) (*Body, *Refusal) {
	b := m.get()
	*b = Body{m: m, in: in, head: r.HeadLen, want: r.ContentLength, raw: r.HeadLen, blocks: b.blocks[:0]}
	b.rate.Start(now, 0)
	if r.Chunked {
		b.want = -1
		b.chunk.Reset(policy)
	}
	if b.want > m.Limits.InBuffer || m.crowded() {
		return b, b.putApart(by)
	}
	return b, nil
}

// get takes a Body off the free list.
func (m *Memory) get() *Body {
	if n := len(m.free); n > 0 {
		b := m.free[n-1]
		m.free = m.free[:n-1]
		return b
	}
	return &Body{}
}

// End forgets a body, complete or not, and gives back where it lies.
func (b *Body) End() {
	switch b.store {
	case inBlocks:
		b.m.putBlocks(b.blocks)
	case inFile:
		b.m.Files.Close(b.file)
	}
	b.store = inBuffer
	b.m.free = append(b.m.free, b)
}

// Apart tells that the body lies elsewhere than in the buffer.
func (b *Body) Apart() bool { return b.store != inBuffer }

// Got is the number of bytes that have come, without their framing.
func (b *Body) Got() int64 { return b.got }

// Size is how many bytes of the buffer head and body are, once Take says that
// the body is complete.
func (b *Body) Size() int { return b.size }

// TooSlow tells whether the body has come too slowly, over a window.
func (b *Body) TooSlow(now int64, window time.Duration) bool {
	return b.rate.TooSlow(now, b.got, window)
}

// Whole is the complete body. What it refers to is the Body's and the buffer's.
func (b *Body) Whole() call.Body {
	switch b.store {
	case inBlocks:
		return call.Body{FD: -1, Len: b.got, Blocks: b.blocks}
	case inFile:
		return call.Body{FD: b.file, Len: b.got}
	}
	return call.Body{FD: -1, Len: b.got, Mem: b.in.Unread()[b.head : b.head+int(b.got)]}
}

// Take takes what has arrived in the buffer. It reports whether the body is
// complete.
func (b *Body) Take(by Thread) (bool, *Refusal) {
	if b.want < 0 {
		return b.takeChunks(by)
	}
	return b.takeLength(by)
}

// putApart moves a body that is large, or comes while memory is short, to blocks
// or to a file. What the buffer has of it is moved by the caller.
func (b *Body) putApart(by Thread) *Refusal {
	if max(b.want, b.got) <= b.m.Limits.InBlocks && !b.m.crowded() && b.addBlock(by) {
		b.store = inBlocks
		return nil
	}
	return b.openFile(by)
}

// append adds p to a body that lies apart.
func (b *Body) append(by Thread, p []byte) *Refusal {
	if b.store == inBlocks {
		if b.put+int64(len(p)) <= b.m.Limits.InBlocks && b.intoBlocks(by, p) {
			return nil
		}
		if bad := b.spill(by); bad != nil {
			return bad
		}
	}
	return b.writeFile(by, p)
}

// takeLength: the body is everything up to Content-Length.
func (b *Body) takeLength(by Thread) (bool, *Refusal) {
	start := b.head
	if !b.Apart() {
		b.got = min(b.want, int64(b.in.Len()-start))
		b.size = start + int(b.got)
		return b.got == b.want, nil
	}
	n := int(min(b.want-b.got, int64(b.in.Len()-start)))
	if n > 0 {
		if bad := b.append(by, b.in.Unread()[start:start+n]); bad != nil {
			return false, bad
		}
	}
	b.got += int64(n)
	b.in.Cut(start, n)
	b.size = start
	return b.got == b.want, nil
}

// takeChunks decodes in place: data moves down to where the body ends.
func (b *Body) takeChunks(by Thread) (bool, *Refusal) {
	in, end := b.in.Unread(), b.head // end is that of the decoded bytes in the buffer
	if !b.Apart() {
		end += int(b.got)
	}
	for b.raw < len(in) {
		data, used, state, err := b.chunk.Next(in[b.raw:])
		if err != nil {
			bad := err.(*http1.Error)
			return false, &Refusal{Status: bad.Status, Invalid: bad}
		}
		if state == http1.Done {
			b.raw += used
			b.size = b.raw
			return true, b.flushChunks(by, end)
		}
		if state == http1.Data {
			copy(in[end:], data.Of(in[b.raw:]))
			end += int(data.Len)
			b.got += int64(data.Len)
		}
		b.raw += used
		if limit := b.m.Limits.Body; limit > 0 && b.got > limit {
			return false, tooLarge
		}
	}
	// All is decoded: the framing's place is free again.
	b.raw = end
	b.in.Truncate(end)
	if !b.Apart() && (b.got > b.m.Limits.InBuffer || b.m.crowded()) {
		if bad := b.putApart(by); bad != nil {
			return false, bad
		}
	}
	if bad := b.flushChunks(by, end); bad != nil || !b.Apart() {
		return false, bad
	}
	b.raw = b.head
	b.in.Truncate(b.head)
	return false, nil
}

// flushChunks moves decoded bytes, up to end, to where the body lies, if it
// lies apart.
func (b *Body) flushChunks(by Thread, end int) *Refusal {
	if !b.Apart() || end == b.head {
		return nil
	}
	return b.append(by, b.in.Unread()[b.head:end])
}
