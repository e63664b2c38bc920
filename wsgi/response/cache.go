package response

import (
	"bytes"
	"strconv"

	"gosrv/wsgi/http1"
)

// Cache is the last response head that a thread has formatted. Applications
// answer many requests in a row with the same status and headers; such a head
// is compared and copied instead of being checked and put together again. Its
// Content-Length may be another one each time.
type Cache struct {
	packed []byte  // what the application gave
	x      Request // what else went into it
	date   int64   // Date.next of the date in it
	frame  Framing
	text   []byte

	given  stretch // of packed: the application's Content-Length
	length stretch // of text: the digits of whoever's Content-Length
}

// stretch is a part of a byte slice; empty: there is none.
type stretch struct{ at, end int }

func (s stretch) none() bool { return s.at == s.end }

// cachedMax bounds the heads that are remembered, in bytes.
const cachedMax = 2 << 10

// Append checks the application's head and appends it to dst. fault names what
// is wrong with it; nothing is appended then.
func (m *Cache) Append(dst []byte, head PackedHead, x Request, d *Date, now int64) ([]byte, Framing, string) {
	date := d.At(now)
	if m.date == d.next {
		if out, f, ok := m.repeat(dst, head, x); ok {
			return out, f, ""
		}
	}
	f, fault := Check(head, x)
	if fault != "" {
		return dst, f, fault
	}
	from := len(dst)
	dst = appendHead(dst, head, f, x, date)
	if len(head) <= cachedMax {
		m.packed = append(m.packed[:0], head...)
		m.text = append(m.text[:0], dst[from:]...)
		m.x, m.date, m.frame = x, d.next, f
		m.findLength()
	}
	return dst, f, ""
}

// repeat appends the remembered head if the new one is the same but for its
// Content-Length.
func (m *Cache) repeat(dst []byte, head PackedHead, x Request) ([]byte, Framing, bool) {
	f := m.frame
	if m.length.none() {
		if m.x != x || !bytes.Equal(m.packed, head) {
			return dst, f, false
		}
		return append(dst, m.text...), f, true
	}
	total := x.Total
	if x.Total = m.x.Total; m.x != x || len(head) != len(m.packed) {
		return dst, f, false
	}
	g := m.given
	if !bytes.Equal(m.packed[:g.at], head[:g.at]) || !bytes.Equal(m.packed[g.end:], head[g.end:]) {
		return dst, f, false
	}
	if f.Length = total; !g.none() {
		f.Length = parseLength(head[g.at:g.end])
	}
	if f.Length < 0 {
		return dst, f, false
	}
	dst = append(dst, m.text[:m.length.at]...)
	if g.none() {
		dst = strconv.AppendInt(dst, f.Length, 10)
	} else {
		dst = append(dst, head[g.at:g.end]...)
	}
	return append(dst, m.text[m.length.end:]...), f, true
}

// findLength sets given and length for a head whose framing is told by nothing
// but one Content-Length.
func (m *Cache) findLength() {
	m.given, m.length = stretch{}, stretch{}
	if m.frame.NoBody || m.frame.Length < 0 {
		return
	}
	line := http1.AppendContentLength([]byte("\r\n"), m.frame.Length)
	head := PackedHead(m.packed)
	head.Status()
	for n := head.Count(); n > 0; n-- {
		name, value := head.Header()
		if len(name) != 14 || !http1.EqualFold(name, "content-length") {
			continue
		}
		if !m.given.none() {
			m.given = stretch{} // two: both are compared
			return
		}
		end := len(m.packed) - len(head)
		m.given = stretch{end - len(value), end}
		line = http1.AppendField([]byte("\r\n"), name, value)
	}
	if at := bytes.Index(m.text, line); at >= 0 {
		m.length = stretch{at + len("\r\nContent-Length: "), at + len(line) - len("\r\n")}
	} else {
		m.given = stretch{}
	}
}
