package http2

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"
)

// block is the header block that is coming, and what it decodes to.
type block struct {
	stream    uint32 // 0: none is
	flags     uint8
	depends   uint32 // priority of RFC 7540
	weight    int
	frames    int // CONTINUATION
	fragments []byte

	dec  *hpack.Decoder
	most int // bytes of list; 0: any
	size int // of list, as SETTINGS_MAX_HEADER_LIST_SIZE counts
	list []hpack.HeaderField
	text fields
}

// emit takes a decoded field. Those over the limit are dropped, but decoded: the table is shared.
func (b *block) emit(f hpack.HeaderField) {
	b.size += int(f.Size())
	if b.most == 0 || b.size <= b.most {
		b.list = append(b.list, f)
	}
}

// decode decodes the whole block; false: the peers' tables differ from now on.
func (b *block) decode() bool {
	clear(b.list)
	b.list, b.size = b.list[:0], 0
	_, err := b.dec.Write(b.fragments)
	if cap(b.fragments) > leastFrame {
		b.fragments = nil
	}
	return err == nil && b.dec.Close() == nil
}

// tooLarge tells that fields were dropped.
func (b *block) tooLarge() bool { return b.most > 0 && b.size > b.most }

// takeHeaders is HEADERS.
func takeHeaders(s *Session, f *frame) fault {
	if f.stream%2 == 0 || !f.unpad() {
		return fatal(ProtocolError)
	}
	b := &s.block
	b.depends, b.weight = 0, usualWeight
	if f.has(flagPriority) {
		if len(f.payload) < 5 {
			return fatal(FrameSize)
		}
		b.depends, b.weight = readPriority(f.payload)
		f.payload = f.payload[5:]
	}
	if bad := mayBegin(s, f.stream); bad.code != NoError {
		return bad
	}
	b.stream, b.flags, b.frames = f.stream, f.flags, 0
	b.fragments = append(b.fragments[:0], f.payload...)
	if f.has(flagEndHeaders) {
		return blockCame(s)
	}
	return fault{}
}

// mayBegin judges HEADERS by the state of their stream (RFC 9113 section 5.1).
func mayBegin(s *Session, id uint32) fault {
	st := s.streams[id]
	if st != nil || id > s.last || overtaken(s, id) {
		return fault{} // a stream that has ended is told so when the block is decoded
	}
	if _, known := s.ended(id); known {
		return fatal(StreamClosed)
	}
	return fatal(ProtocolError)
}

// takeContinuation is CONTINUATION.
func takeContinuation(s *Session, f *frame) fault {
	b := &s.block
	if b.stream == 0 {
		return fatal(ProtocolError)
	}
	if b.frames++; b.frames > mostFrames || len(b.fragments)+len(f.payload) > maxBlock {
		return fatal(EnhanceCalm)
	}
	b.fragments = append(b.fragments, f.payload...)
	if f.has(flagEndHeaders) {
		return blockCame(s)
	}
	return fault{}
}

// blockCame is a whole header block: a request, or trailers.
func blockCame(s *Session) fault {
	b := &s.block
	id := b.stream
	b.stream = 0
	if !b.decode() {
		return fatal(Compression)
	}
	st := s.streams[id]
	switch {
	case st != nil && st.ended:
		return fault{id, StreamClosed}
	case st != nil:
		return takeTrailers(s, st)
	case id <= s.last || s.leaving.ignores(id):
		s.countRestless() // it has crossed our reset or our GOAWAY
		return fault{}
	}
	s.last = id
	if b.depends == id {
		return fault{id, ProtocolError}
	}
	return open(s, id)
}

// trailers end a request.
func takeTrailers(s *Session, st *Stream) fault {
	if s.block.flags&flagEndStream == 0 || !validTrailers(s.block.list) {
		return fault{st.id, ProtocolError}
	}
	return finish(s, st)
}

// open begins a stream.
func open(s *Session, id uint32) fault {
	b := &s.block
	if s.held >= s.set.Streams {
		return fault{id, RefusedStream}
	}
	ended, large := b.flags&flagEndStream != 0, b.tooLarge()
	if !large && !b.text.gather(b.list) {
		return fault{id, ProtocolError}
	}
	if large {
		b.text = fields{length: -1}
	}
	st := newStream(s, id)
	st.length, st.chunked, st.TooLarge = b.text.length, !ended && b.text.length < 0, large
	st.Weight, st.DependsOn = b.weight, b.depends
	if b.text.signalled {
		st.rank.read(b.text.priority)
	}
	st.noBody, st.HTTPS = b.text.method == "HEAD", b.text.scheme == "https"
	if !large {
		st.text = b.text.appendHead(st.text, b.list, st.chunked)
	}
	s.streams[id] = st
	s.held++
	s.tell(st, Opened)
	if ended {
		st.chunked = false
		return finish(s, st)
	}
	return fault{}
}

// readPriority reads the five bytes of RFC 7540's priority.
func readPriority(p []byte) (depends uint32, weight int) {
	return binary.BigEndian.Uint32(p) & mostStream, int(p[4]) + 1
}
