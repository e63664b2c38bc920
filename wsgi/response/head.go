// Package response makes response heads: it checks what the application gives,
// decides how the body is framed, formats, and remembers. Bytes in, bytes out.
package response

import (
	"encoding/binary"
	"strconv"

	"gosrv/wsgi/http1"
)

// Framing says how a body is delimited and what the head has promised.
type Framing struct {
	Status  int
	NoBody  bool  // HEAD, 1xx, 204, 304: the application's bytes are dropped
	Chunked bool  // HTTP/1.1 without a known length
	Length  int64 // bytes still to come, -1: not promised
	Keep    bool  // the connection stays open afterwards
}

// Request is what the head of the answer depends on in the request.
type Request struct {
	Head   bool   // the method is HEAD
	Old    bool   // HTTP/1.0: no chunks, no interim answers
	Stream bool   // a stream of HTTP/2: no chunks, and it ends with the answer
	Keep   bool   // the connection may stay open
	Total  int64  // bytes of the whole body, -1: not known
	Kept   string // header lines that say so, and for how long: KeptLines
	Server string // header line that names the server: ServerLine
}

// ServerLine is the header line that names the server: nothing if the setting
// server_header says off.
func ServerLine(header string) string {
	switch header {
	case "off":
		return ""
	case "":
		header = "gosrv"
	}
	return "Server: " + header + "\r\n"
}

// KeptLines are the header lines, without the first line's end, of an answer
// after which the connection stays open for so many seconds. Clients that know
// when it ends do not send their next request into its end (RFC 2068 19.7.1.1).
func KeptLines(seconds int) string {
	if seconds == 0 {
		return "Connection: keep-alive"
	}
	return "Connection: keep-alive\r\nKeep-Alive: timeout=" + strconv.Itoa(seconds)
}

// What an application may get wrong in its head (PEP 3333).
const (
	FaultStatus  = "the status given to start_response is not a three-digit code and a reason"
	FaultName    = "a response header's name is not a token"
	FaultValue   = "a response header's value holds control characters"
	FaultLength  = "the response's Content-Length is not a number"
	FaultLengths = "the response has two different Content-Lengths"
)

// PackedHead walks the head as C packs it (gosrv_app_call in cgo/gosrv.h).
type PackedHead []byte

// Status moves on over the status: a code and a reason. It comes first.
func (p *PackedHead) Status() []byte {
	n := binary.LittleEndian.Uint16(*p)
	s := (*p)[2 : 2+n]
	*p = (*p)[2+n:]
	return s
}

// Count moves on over the number of headers. It comes second.
func (p *PackedHead) Count() int {
	n := binary.LittleEndian.Uint16(*p)
	*p = (*p)[2:]
	return int(n)
}

// Header moves on over one header; views.
func (p *PackedHead) Header() (name, value []byte) {
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

// Check checks an application's head and decides the framing. fault names what
// is wrong with it; nothing of such a head may be sent.
func Check(head PackedHead, x Request) (f Framing, fault string) {
	code, ok := http1.ParseStatus(head.Status())
	if !ok {
		return f, FaultStatus
	}
	f = Framing{Status: code, Length: -1, Keep: x.Keep}
	for n := head.Count(); n > 0; n-- {
		name, value := head.Header()
		switch {
		case !http1.ValidName(name):
			return f, FaultName
		case !http1.ValidValue(value):
			return f, FaultValue
		case len(name) == 14 && http1.EqualFold(name, "content-length"):
			length := parseLength(value)
			if length < 0 {
				return f, FaultLength
			}
			if f.Length >= 0 && f.Length != length {
				return f, FaultLengths
			}
			f.Length = length
		}
	}
	f.NoBody = x.Head || !http1.BodyAllowed(code)
	switch {
	case code < 200:
		// Sent as a final answer it leaves the client waiting for another.
		f.Keep = false
	case f.NoBody || f.Length >= 0:
	case x.Total >= 0:
		f.Length = x.Total
	case x.Old || x.Stream:
		f.Keep = false
	default:
		f.Chunked = true
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

// upgrades tells whether the headers of a head whose status was read say that the
// connection is another protocol's from now on (RFC 9110 7.8).
func upgrades(head PackedHead) bool {
	for n := head.Count(); n > 0; n-- {
		if name, value := head.Header(); http1.EqualFold(name, "connection") && http1.EqualFold(value, "upgrade") {
			return true
		}
	}
	return false
}

// appendHead writes a checked head in Gunicorn's order.
func appendHead(dst []byte, head PackedHead, f Framing, x Request, date []byte) []byte {
	dst = http1.AppendStatusLine(dst, 1, head.Status())
	dst = append(append(dst, x.Server...), "Date: "...)
	dst = append(dst, date...)
	dst = append(dst, "\r\n"...)
	switch {
	case f.Keep:
		dst = append(dst, x.Kept...)
	case f.Status == 101 && upgrades(head):
		dst = append(dst, "Connection: upgrade"...)
	default:
		dst = append(dst, "Connection: close"...)
	}
	dst = append(dst, "\r\n"...)
	if f.Chunked {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	given := false
	for n := head.Count(); n > 0; n-- {
		name, value := head.Header()
		if owned(name) && (f.Status != 101 || !http1.EqualFold(name, "upgrade")) {
			continue
		}
		if len(name) == 14 && http1.EqualFold(name, "content-length") {
			if given || f.Status < 200 || f.Status == 204 {
				continue
			}
			given = true
		}
		dst = http1.AppendField(dst, name, value)
	}
	switch {
	case given || f.Chunked:
	case !f.NoBody && f.Length >= 0:
		dst = http1.AppendContentLength(dst, f.Length)
	case x.Head && x.Total > 0 && http1.BodyAllowed(f.Status):
		// The application gave HEAD the body of GET: its length is known.
		dst = http1.AppendContentLength(dst, x.Total)
	}
	return append(dst, "\r\n"...)
}
