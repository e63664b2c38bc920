package http2

import (
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// fields is the field section of one request, taken apart.
type fields struct {
	method, scheme, path, authority string
	host                            string // of the host field
	cookies                         int    // bytes, with what joins them
	size                            int    // of the head, about
	length                          int64  // content-length; -1: none
	priority                        string
	signalled                       bool // there was a priority field
}

// pseudo is where a pseudo field belongs; nil: there is no such field in requests. CONNECT and
// :protocol are not served.
func (f *fields) pseudo(name string) *string {
	switch name {
	case ":method":
		return &f.method
	case ":scheme":
		return &f.scheme
	case ":path":
		return &f.path
	case ":authority":
		return &f.authority
	}
	return nil
}

// validName tells whether a name is a token without capitals (RFC 9113 section 8.2.1), a pseudo
// field's behind its colon.
func validName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		if !tokenByte[name[i]] {
			return false
		}
	}
	return true
}

// tokenByte are the bytes of tokens but for capitals (RFC 9110 section 5.6.2).
var tokenByte = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		t[c] = true
	}
	return t
}()

// validValue tells whether a value holds nothing that ends a line, and no space at its ends. The rest
// is the HTTP/1 parser's to judge.
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c == '\r' || c == '\n' || c == 0 {
			return false
		}
	}
	space := func(c byte) bool { return c == ' ' || c == '\t' }
	return v == "" || !space(v[0]) && !space(v[len(v)-1])
}

// validPseudo tells whether a pseudo field's value can stand in a request line: a space or a control
// character there would make another line of it.
func validPseudo(v string) bool {
	for i := range len(v) {
		if c := v[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// gather looks through the fields of a request; false: it is malformed (RFC 9113 sections 8.2 and 8.3).
func (f *fields) gather(list []hpack.HeaderField) bool {
	*f = fields{length: -1}
	regular := false
	for i := range list {
		name, value := list[i].Name, list[i].Value
		if name != "" && name[0] == ':' {
			at := f.pseudo(name)
			if regular || at == nil || *at != "" || !validPseudo(value) || value == "" && name != ":authority" {
				return false
			}
			*at = value
			f.size += len(value)
			continue
		}
		regular = true
		if !validName(name) || !validValue(value) || !f.regular(name, value) {
			return false
		}
		f.size += len(name) + len(value) + len(": \r\n")
	}
	return f.method != "" && f.scheme != "" && validPath(f.path) && (f.host == "" || f.authority == "" || f.host == f.authority)
}

// validPath tells whether :path is one: what begins like an address of its own would outrank :authority in
// a request line.
func validPath(path string) bool { return path != "" && (path[0] == '/' || path == "*") }

// regular judges a field by its name. What belongs to a connection has no place in a stream.
func (f *fields) regular(name, value string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return false
	case "te":
		return value == "trailers"
	case "host":
		if f.host != "" {
			return false
		}
		f.host = value
	case "cookie":
		f.cookies += len(value) + len("; ")
	case "priority":
		f.priority, f.signalled = value, true
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || f.length >= 0 {
			return false
		}
		f.length = int64(n)
	}
	return true
}

// chunkedLine is the first field of a head whose body's length is not known. A client's own is refused.
const chunkedLine = "transfer-encoding: chunked\r\n"

// appendHead writes the request as HTTP/1 has it, for http1.Policy.HTTP2: crumbs of a cookie are one field
// (RFC 9113 section 8.2.3), and the authority is Host.
func (f *fields) appendHead(dst []byte, list []hpack.HeaderField, chunked bool) []byte {
	dst = append(append(dst, f.method...), ' ')
	dst = append(append(dst, f.path...), " HTTP/2.0\r\n"...)
	if chunked {
		dst = append(dst, chunkedLine...)
	}
	if f.authority != "" {
		dst = appendField(dst, "host", f.authority)
	}
	for i := range list {
		name, value := list[i].Name, list[i].Value
		switch {
		case name[0] == ':', name == "host" && f.authority != "", name == "cookie" && f.cookies == 0:
			continue
		case name == "cookie":
			dst = f.appendCookies(append(dst, "cookie: "...), list[i:])
			f.cookies = 0
			continue
		}
		dst = appendField(dst, name, value)
	}
	return append(dst, "\r\n"...)
}

// appendCookies joins the crumbs that are in list.
func (f *fields) appendCookies(dst []byte, list []hpack.HeaderField) []byte {
	more := false
	for i := range list {
		if list[i].Name != "cookie" {
			continue
		}
		if more {
			dst = append(dst, "; "...)
		}
		dst, more = append(dst, list[i].Value...), true
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

func appendNumbered(dst []byte, name string, n int) []byte {
	return appendField(dst, name, strconv.Itoa(n))
}

// validTrailers tells whether a field section behind a body is well-formed. WSGI has no place for it.
func validTrailers(list []hpack.HeaderField) bool {
	for i := range list {
		if !validName(list[i].Name) || !validValue(list[i].Value) {
			return false
		}
	}
	return true
}
