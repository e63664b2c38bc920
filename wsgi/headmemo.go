package wsgi

import "bytes"

// headMemo is the last response head that a slot has formatted. Applications
// answer many requests in a row with the same status and headers; such a head
// is compared and copied instead of being checked and put together again.
type headMemo struct {
	packed []byte   // what the application gave
	x      exchange // what else went into it
	date   int64    // dateCache.next of the date in it
	frame  framing
	text   []byte
}

// memoized bounds the heads that are remembered, in bytes.
const memoized = 2 << 10

// format judges the application's head and appends it to dst. fault names what
// is wrong with it; nothing is appended then.
func (m *headMemo) format(dst []byte, head packed, x exchange, d *dateCache, now int64) ([]byte, framing, string) {
	date := d.at(now)
	if m.date == d.next && m.x == x && bytes.Equal(m.packed, head) {
		return append(dst, m.text...), m.frame, ""
	}
	f, fault := judge(head, x)
	if fault != "" {
		return dst, f, fault
	}
	from := len(dst)
	dst = appendHead(dst, head, f, x, date)
	if len(head) <= memoized {
		m.packed = append(m.packed[:0], head...)
		m.text = append(m.text[:0], dst[from:]...)
		m.x, m.date, m.frame = x, d.next, f
	}
	return dst, f, ""
}
