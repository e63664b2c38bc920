package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Append formats e as one line, newline included, and appends it to dst. It allocates only when dst has to grow, and
// once a second for the time.
func (f *Format) Append(dst []byte, e *Entry) []byte {
	if f.json {
		return f.appendJSON(dst, e)
	}
	for i := range f.items {
		it := &f.items[i]
		if it.atom == 0 {
			dst = append(dst, it.literal...)
			continue
		}
		from := len(dst)
		dst = pad(f.appendAtom(dst, it, e), from, it.spec)
	}
	return append(dst, '\n')
}

func (f *Format) appendAtom(dst []byte, it *item, e *Entry) []byte {
	if it.named {
		return appendText(dst, e.lookup(it), it.spec)
	}
	switch it.atom {
	case 'h':
		return appendText(dst, e.Remote, it.spec)
	case 'u':
		return appendUser(dst, e.user(), it.spec)
	case 'm':
		return appendText(dst, e.Method, it.spec)
	case 'U':
		return appendText(dst, e.Path, it.spec)
	case 'q':
		return appendText(dst, e.Query, it.spec)
	case 'H':
		return appendText(dst, e.Proto, it.spec)
	case 'f':
		return appendText(dst, e.Source.RequestHeader("referer"), it.spec)
	case 'a':
		return appendText(dst, e.Source.RequestHeader("user-agent"), it.spec)
	case 'B':
		return appendNumber(dst, e.Bytes, it.spec)
	case 'T':
		return appendNumber(dst, int64(e.duration()/time.Second), it.spec)
	case 'M':
		return appendNumber(dst, int64(e.duration()/time.Millisecond), it.spec)
	case 'D':
		return appendNumber(dst, int64(e.duration()/time.Microsecond), it.spec)
	case 'r':
		return e.appendRequestLine(dst, it.spec)
	}
	dst = quote(dst, it.spec)
	from := len(dst)
	switch it.atom {
	case 'l':
		dst = append(dst, '-')
	case 't':
		dst = f.appendTime(dst, e.End)
	case 's':
		dst = e.appendStatus(dst)
	case 'b':
		dst = strconv.AppendInt(dst, e.Bytes, 10)
	case 'L':
		dst = appendSeconds(dst, e.duration())
	case 'p':
		dst = append(strconv.AppendInt(append(dst, '<'), int64(f.pid), 10), '>')
	}
	dst = dst[:from+len(cutRunes(dst[from:], it.spec.precision))]
	return quote(dst, it.spec)
}

// appendRequestLine writes method, target and protocol; a precision cuts the three together.
func (e *Entry) appendRequestLine(dst []byte, s spec) []byte {
	dst = quote(dst, s)
	left := s.precision
	for _, part := range [...][]byte{e.Method, space, e.Target, space, e.Proto} {
		part = cutRunes(part, left)
		dst = appendEscaped(dst, part)
		if left > 0 {
			left -= utf8.RuneCount(part)
		}
	}
	return quote(dst, s)
}

var space = []byte{' '}

// duration is never negative, whatever the clock did.
func (e *Entry) duration() time.Duration { return max(e.Duration, 0) }

func (e *Entry) lookup(it *item) []byte {
	switch it.atom {
	case 'i':
		return e.Source.RequestHeader(it.name)
	case 'o':
		return e.Source.ResponseHeader(it.name)
	}
	return e.Source.Environ(it.name)
}

// appendSeconds writes seconds with six decimals.
func appendSeconds(dst []byte, d time.Duration) []byte {
	micros := int64(d / time.Microsecond)
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	from := len(dst)
	dst = strconv.AppendInt(dst, micros%1e6+1e6, 10) // seven digits, the first of them makes room for the point
	dst[from] = '.'
	return dst
}

// stamp is the text of one second; it is never changed.
type stamp struct {
	second int64
	text   []byte
}

// appendTime writes the time as the common log format has it: [21/Nov/2026:15:43:00 +0000].
func (f *Format) appendTime(dst []byte, at time.Time) []byte {
	s := f.clock.Load()
	if second := at.Unix(); s == nil || s.second != second {
		s = &stamp{second, at.In(f.zone).AppendFormat(nil, "[02/Jan/2006:15:04:05 -0700]")}
		f.clock.Store(s)
	}
	return append(dst, s.text...)
}

// pad brings dst[from:] to the width of s, counted in characters.
func pad(dst []byte, from int, s spec) []byte {
	missing := s.width - utf8.RuneCount(dst[from:])
	if missing <= 0 {
		return dst
	}
	end := len(dst)
	for range missing {
		dst = append(dst, ' ')
	}
	if s.left {
		return dst
	}
	copy(dst[from+missing:], dst[from:end])
	for i := range missing {
		dst[from+i] = ' '
	}
	return dst
}
