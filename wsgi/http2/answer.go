package http2

import (
	"bytes"
	"strconv"
)

// Answer takes the head of an answer as HTTP/1 has it, of HTTP/1 text that begins with it, and returns how
// many bytes that was; 0: there is no whole head. What is the connection's own is left out. A status below 200
// is an interim one: another head follows.
func (st *Stream) Answer(text []byte) int {
	end := bytes.Index(text, []byte("\r\n\r\n")) + len("\r\n\r\n")
	const status = len("HTTP/1.1 ")
	if end < status+len("200 \r\n\r\n") {
		return 0
	}
	interim := text[status] == '1'
	if st.gone || interim && string(text[status:status+3]) == "101" {
		return end // another protocol has no place in a stream: without a final head it is reset
	}
	block := make([]byte, 0, 512)
	block, st.promised = appendBlock(block, text[status:end-len("\r\n")])
	if text[status] == '3' && text[status+1] == '0' && text[status+2] == '4' {
		st.noBody = true
	}
	st.writeBlock(0, block)
	st.headed = !interim
	return end
}

// Headed tells whether a final head was given: what follows is body.
func (st *Stream) Headed() bool { return st.headed }

// Trailers keeps fields that are to follow the body; each is name and value.
func (st *Stream) Trailers(fields [][2]string) {
	st.trailers = nil
	for _, f := range fields {
		st.trailers = appendLiteral(st.trailers, []byte(f[0]), []byte(f[1]))
	}
}

// writeBlock writes a header block as HEADERS and, where it is large, CONTINUATION.
func (st *Stream) writeBlock(flags uint8, b []byte) {
	o := &st.s.sending
	if !o.cleared {
		// Our table is empty for ever, and a peer that allows none waits to be told (RFC 7541 section 4.2).
		o.cleared = true
		b = append([]byte{0x20}, b...)
	}
	kind := frameHeaders
	for {
		n := min(len(b), o.frame)
		if n == len(b) {
			flags |= flagEndHeaders
		}
		at := len(o.out)
		o.out = appendFrame(o.out, kind, flags, st.id, n)
		o.out = append(o.out, b[:n]...)
		if kind == frameHeaders {
			st.frameAt = o.gone + int64(at)
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
		kind, flags = frameContinuation, 0
	}
}

// appendBlock writes a head's status and fields as a header block, without a table of our own: so that blocks
// need no order between those who write them. length is its Content-Length, -1: none.
func appendBlock(dst, head []byte) (block []byte, length int64) {
	if i, ok := statusIndex[string(head[:3])]; ok {
		dst = append(dst, 0x80|i)
	} else {
		dst = appendText(append(dst, 0x08), head[:3])
	}
	length = -1
	for rest := head[bytes.IndexByte(head, '\n')+1:]; len(rest) > 0; {
		line := rest[:bytes.IndexByte(rest, '\n')+1]
		rest = rest[len(line):]
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t\r\n")
		var lower [64]byte
		dst, length = appendNamed(dst, lower[:0], name, value, length)
	}
	return dst, length
}

// appendNamed writes one field, unless it is the connection's own.
func appendNamed(dst, lower, name, value []byte, length int64) ([]byte, int64) {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	switch string(lower) {
	case "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection":
		return dst, length
	case "content-length":
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			length = n
		}
	}
	return appendLiteral(dst, lower, value), length
}

// appendLiteral writes a field without indexing (RFC 7541 section 6.2.2). name is in lower case.
func appendLiteral(dst, name, value []byte) []byte {
	if i := nameIndex[string(name)]; i > 0 {
		dst = appendNumberIn(dst, 0, 4, i)
	} else {
		dst = appendText(append(dst, 0), name)
	}
	return appendText(dst, value)
}

// appendText writes a string as it is (RFC 7541 section 5.2).
func appendText(dst, text []byte) []byte {
	return append(appendNumberIn(dst, 0, 7, len(text)), text...)
}

// appendNumberIn writes a number with a prefix of so many bits, under pattern (RFC 7541 section 5.1).
func appendNumberIn(dst []byte, pattern byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(dst, pattern|byte(n))
	}
	dst = append(dst, pattern|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// statusIndex are the statuses of the static table (RFC 7541 appendix A).
var statusIndex = map[string]byte{"200": 8, "204": 9, "206": 10, "304": 11, "400": 12, "404": 13, "500": 14}

// nameIndex are names of the static table that answers have.
var nameIndex = map[string]int{
	"accept-ranges": 18, "age": 21, "access-control-allow-origin": 20, "allow": 22, "cache-control": 24,
	"content-disposition": 25, "content-encoding": 26, "content-language": 27, "content-length": 28,
	"content-location": 29, "content-range": 30, "content-type": 31, "date": 33, "etag": 34, "expires": 36,
	"last-modified": 44, "link": 45, "location": 46, "proxy-authenticate": 48, "refresh": 52, "retry-after": 53,
	"server": 54, "set-cookie": 55, "strict-transport-security": 56, "vary": 59, "via": 60, "www-authenticate": 61,
}
