package http1

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Repeat remembers the header block of one head: its field lines and the empty line after them. Clients send
// the same block with each request of a connection; read once, the next head costs its request line only.
// The zero value remembers nothing. It owns its memory.
type Repeat struct {
	block   []byte
	headers []Header // offsets into block
	facts   Request  // what judge found, Host relative to block
}

// Block is the header block of a head that Parse has accepted, for comparing and hashing; a view into buf.
func (r *Request) Block(buf []byte) []byte { return buf[r.fields:r.HeadLen] }

// BlockOff is where the header block begins in the buffer.
func (r *Request) BlockOff() int { return r.fields }

// Store remembers the header block of r, which Parse has accepted. It is refused for a target that is not in
// origin-form: there the request line changes what the fields mean.
func (m *Repeat) Store(buf []byte, r *Request) bool {
	if r.Form != Origin {
		return false
	}
	m.block = append(m.block[:0], r.Block(buf)...)
	m.headers = append(m.headers[:0], r.Headers...)
	shift(m.headers, -uint32(r.fields))
	m.facts = *r
	m.facts.Headers = nil
	m.facts.Host.Off -= uint32(r.fields)
	return true
}

// Holds tells whether the header block of r is the one remembered, in a request of the same version.
func (m *Repeat) Holds(buf []byte, r *Request) bool {
	return len(m.block) > 0 && r.Major == m.facts.Major && r.Minor == m.facts.Minor && bytes.Equal(m.block, r.Block(buf))
}

// ParseRepeat is Parse for a head that may carry the remembered block; repeated says that it does. The outcome
// is Parse's in every case.
func (p *Policy) ParseRepeat(buf []byte, r *Request, m *Repeat) (repeated bool, err error) {
	if len(m.block) == 0 || r.pos != 0 && r.stage != stageDone {
		return false, p.Parse(buf, r)
	}
	r.Reset()
	if err := p.firstLine(buf, r); err != nil {
		return false, err
	}
	if r.Form != Origin || r.Major != m.facts.Major || r.Minor != m.facts.Minor ||
		r.pos+len(m.block) > p.headSize() || !bytes.HasPrefix(buf[r.pos:], m.block) {
		return false, p.fieldLines(buf, r)
	}
	r.fields = r.pos
	r.HeadLen, r.stage = r.pos+len(m.block), stageDone
	r.Headers = append(r.Headers[:0], m.headers...)
	shift(r.Headers, uint32(r.pos))
	if r.HasHost = m.facts.HasHost; r.HasHost {
		r.Host = Span{m.facts.Host.Off + uint32(r.pos), m.facts.Host.Len}
	}
	r.ContentLength, r.Chunked = m.facts.ContentLength, m.facts.Chunked
	r.KeepAlive, r.ExpectContinue = m.facts.KeepAlive, m.facts.ExpectContinue
	return true, nil
}

// shift moves the offsets of headers by n, which may wrap around for "back".
func shift(headers []Header, n uint32) {
	for i := range headers {
		headers[i].Name.Off += n
		headers[i].Value.Off += n
	}
}

// Lines remembers field lines that come again and again, so that a head whose lines are known costs a comparison
// a line instead of a scan. Its place in the table follows from a line's first sixteen bytes; a line takes it
// when it comes there twice in a row, so that what never repeats (cookies) replaces nothing. Not for two
// goroutines at a time. Make it with NewLines.
type Lines struct {
	mark func(name []byte) uint32
	slot [lineSlots]line
}

const (
	lineSlots  = 256
	lineProbe  = 16 // bytes that choose the place
	lineTail   = 10 // bytes that tell whether a line is the one that was missed last
	lineLength = 180
)

type line struct {
	text          [lineLength]byte // with CRLF
	n             uint8            // bytes of text, 0: none
	name          uint8            // bytes of the name
	value, length uint8            // place and size of the value
	mark          uint32
	missed        uint64 // of the line that came here last and was another one
}

// NewLines makes an empty table. mark is asked once for each name that is remembered; what it says is the Mark
// of all headers with that line. It is not asked for names that Parse itself has to look at: their mark is 0.
func NewLines(mark func(name []byte) uint32) *Lines { return &Lines{mark: mark} }

// place is where the line that buf begins with belongs; buf holds lineProbe bytes at least. It chooses and proves
// nothing: what is found there is compared.
func place(buf []byte) uint8 {
	a, b := binary.LittleEndian.Uint64(buf), binary.LittleEndian.Uint64(buf[8:])
	return uint8((a*0x9E3779B97F4A7C15 ^ bits.RotateLeft64(b*0xD6E8FEB86659FD93, 29)) >> 56)
}

// begins tells whether buf begins with the line.
func (l *line) begins(buf []byte) bool {
	n := int(l.n)
	return n > 0 && n <= len(buf) && string(l.text[:n]) == string(buf[:n])
}

// header is the line's when it stands at offset i; number is its place from 1.
func (l *line) header(i int, number uint16) Header {
	at := uint32(i)
	return Header{Name: Span{at, uint32(l.name)}, Value: Span{at + uint32(l.value), uint32(l.length)}, Mark: l.mark, Line: number}
}

// note gives the place to the line that is text, if it was the last one that was missed there. h is its header.
func (t *Lines) note(l *line, text []byte, h *Header) {
	if len(text) > lineLength || len(text) < lineTail {
		return
	}
	missed := uint64(len(text))<<56 ^ binary.LittleEndian.Uint64(text[len(text)-lineTail:])
	if l.missed != missed {
		l.missed = missed
		return
	}
	l.n = uint8(copy(l.text[:], text))
	l.name, l.value, l.length = uint8(h.Name.Len), uint8(h.Value.Off-h.Name.Off), uint8(h.Value.Len)
	l.mark = 0
	if name := l.text[:l.name]; concernOf(name) == unconcerned {
		l.mark = t.mark(name)
	}
}
