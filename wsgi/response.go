package wsgi

import (
	"encoding/binary"
	"strconv"

	"gosrv/wsgi/http1"
)

// framing says how a body is delimited and what the head has promised.
type framing struct {
	status  int
	noBody  bool  // HEAD, 1xx, 204, 304: the application's bytes are dropped
	chunked bool  // HTTP/1.1 without a known length
	length  int64 // bytes still to come, -1: not promised
	keep    bool  // the connection stays open afterwards
}

// exchange is what the head of the answer depends on in the request.
type exchange struct {
	head  bool // the method is HEAD
	old   bool // HTTP/1.0: no chunks, no interim answers
	keep  bool // the connection may stay open
	total int64
	kept  string // says so, and for how long: keptLines of the settings

	server string // serverLine
}

// serverLine is the header line that names the server: nothing if the setting
// server_header says off.
func serverLine(header string) string {
	switch header {
	case "off":
		return ""
	case "":
		header = "gosrv"
	}
	return "Server: " + header + "\r\n"
}

// keptLines are the header lines, without the first line's end, of an answer
// after which the connection stays open for so many seconds. Clients that know
// when it ends do not send their next request into its end (RFC 2068 19.7.1.1).
func keptLines(seconds int) string {
	if seconds == 0 {
		return "Connection: keep-alive"
	}
	return "Connection: keep-alive\r\nKeep-Alive: timeout=" + strconv.Itoa(seconds)
}

// What an application may get wrong in its head (PEP 3333).
const (
	faultStatus  = "the status given to start_response is not a three-digit code and a reason"
	faultName    = "a response header's name is not a token"
	faultValue   = "a response header's value holds control characters"
	faultLength  = "the response's Content-Length is not a number"
	faultLengths = "the response has two different Content-Lengths"
)

// packed walks the head as C packs it (gosrv_app_call in cgo/gosrv.h).
type packed []byte

func (p *packed) status() []byte {
	n := binary.LittleEndian.Uint16(*p)
	s := (*p)[2 : 2+n]
	*p = (*p)[2+n:]
	return s
}

func (p *packed) count() int {
	n := binary.LittleEndian.Uint16(*p)
	*p = (*p)[2:]
	return int(n)
}

func (p *packed) header() (name, value []byte) {
	b := *p
	nl, vl := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint32(b[2:]))
	b = b[6:]
	*p = b[nl+vl:]
	return b[:nl:nl], b[nl : nl+vl : nl+vl]
}

// owned tells whether a header is the server's to give: as with Gunicorn the
// application's is dropped without a word.
func owned(name []byte) bool {
	switch len(name) {
	case 4:
		if http1.EqualFold(name, "date") {
			return true
		}
	case 6:
		if http1.EqualFold(name, "server") {
			return true
		}
	}
	return http1.HopByHop(name)
}

// judge checks an application's head and decides the framing. fault names what
// is wrong with it; nothing of such a head may be sent.
func judge(head packed, x exchange) (f framing, fault string) {
	code, ok := http1.ParseStatus(head.status())
	if !ok {
		return f, faultStatus
	}
	f = framing{status: code, length: -1, keep: x.keep}
	for n := head.count(); n > 0; n-- {
		name, value := head.header()
		switch {
		case !http1.ValidName(name):
			return f, faultName
		case !http1.ValidValue(value):
			return f, faultValue
		case len(name) == 14 && http1.EqualFold(name, "content-length"):
			length := parseLength(value)
			if length < 0 {
				return f, faultLength
			}
			if f.length >= 0 && f.length != length {
				return f, faultLengths
			}
			f.length = length
		}
	}
	f.noBody = x.head || !http1.BodyAllowed(code)
	switch {
	case code < 200:
		// Sent as a final answer it leaves the client waiting for another.
		f.keep = false
	case f.noBody || f.length >= 0:
	case x.total >= 0:
		f.length = x.total
	case x.old:
		f.keep = false
	default:
		f.chunked = true
	}
	return f, ""
}

// parseLength reads 1*DIGIT up to 2^63-1; -1 for anything else.
func parseLength(b []byte) int64 {
	if len(b) == 0 || len(b) > 19 {
		return -1
	}
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n) // above 2^63-1 it is negative
}

// appendHead writes a judged head in Gunicorn's order.
func appendHead(dst []byte, head packed, f framing, x exchange, date []byte) []byte {
	dst = http1.AppendStatusLine(dst, 1, head.status())
	dst = append(append(dst, x.server...), "Date: "...)
	dst = append(dst, date...)
	dst = append(dst, "\r\n"...)
	if f.keep {
		dst = append(dst, x.kept...)
	} else {
		dst = append(dst, "Connection: close"...)
	}
	dst = append(dst, "\r\n"...)
	if f.chunked {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	given := false
	for n := head.count(); n > 0; n-- {
		name, value := head.header()
		if owned(name) {
			continue
		}
		if len(name) == 14 && http1.EqualFold(name, "content-length") {
			if given || f.status < 200 || f.status == 204 {
				continue
			}
			given = true
		}
		dst = http1.AppendField(dst, name, value)
	}
	switch {
	case given || f.chunked:
	case !f.noBody && f.length >= 0:
		dst = http1.AppendContentLength(dst, f.length)
	case x.head && x.total > 0 && http1.BodyAllowed(f.status):
		// The application gave HEAD the body of GET: its length is known.
		dst = http1.AppendContentLength(dst, x.total)
	}
	return append(dst, "\r\n"...)
}
