package http1

import (
	"encoding/binary"
	"math/bits"
)

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
