package http1

// framing is what the header fields of one head say together.
type framing struct {
	host, typ, length, coding bool // seen
	chunked                   bool // the last coding so far
	opaque                    bool // a coding other than chunked: the body stays encoded
	close, keep               bool // tokens of Connection
	value                     Span // of a field that is read only once
}

// concern is which of the fields that judge looks at a name is.
type concern uint8

const (
	unconcerned concern = iota
	ofHost
	ofExpect
	ofConnection
	ofType
	ofLength
	ofCoding
)

// known are the lengths of the names that concernOf knows.
const known = 1<<len("host") | 1<<len("expect") | 1<<len("connection") | 1<<len("content-type") |
	1<<len("content-length") | 1<<len("transfer-encoding")

// judge applies the rules that need the whole head: Host, framing, persistence, expectations.
func (p *Policy) judge(buf []byte, r *Request) error {
	var f framing
	for i := range r.Headers {
		if r.Headers[i].Mark != 0 {
			continue
		}
		if err := f.header(buf, r, &r.Headers[i]); err != nil {
			return err
		}
	}
	modern := r.modern()
	switch {
	case modern && !f.host && !p.PermitMissingHost:
		return errHostMissing
	case f.host && !validHost(r.Host.Of(buf), false) && (r.Host.Len > 0 || !p.PermitMissingHost):
		return errHost
	case f.coding && !modern:
		return errCodingOld
	case f.coding && f.length:
		return errLengthAndTE
	case f.coding && !f.chunked:
		return errCodingOrder
	}
	r.HasHost = f.host
	r.Chunked = f.chunked
	r.KeepAlive = (modern || f.keep) && !f.close && !f.opaque
	return nil
}

// concernOf names the field, or none: the rest is the application's business.
func concernOf(name []byte) concern {
	if n := len(name); n > 17 || known>>n&1 == 0 {
		return unconcerned
	}
	is := func(field string, c concern) concern {
		if EqualFold(name, field) {
			return c
		}
		return unconcerned
	}
	switch len(name) {
	case len("host"):
		return is("host", ofHost)
	case len("expect"):
		return is("expect", ofExpect)
	case len("connection"):
		return is("connection", ofConnection)
	case len("content-type"):
		return is("content-type", ofType)
	case len("content-length"):
		return is("content-length", ofLength)
	case len("transfer-encoding"):
		return is("transfer-encoding", ofCoding)
	}
	return unconcerned
}

// header notes a field that concerns the server.
func (f *framing) header(buf []byte, r *Request, h *Header) error {
	switch concernOf(h.Name.Of(buf)) {
	case ofHost:
		return once(&f.host, errHostTwice, h.Value, &r.Host)
	case ofExpect:
		return r.expect(h.Value.Of(buf))
	case ofConnection:
		f.connection(h.Value.Of(buf))
	case ofType:
		return once(&f.typ, errTypeTwice, h.Value, &f.value)
	case ofLength:
		return f.contentLength(buf, r, h)
	case ofCoding:
		f.coding = true
		return f.codings(h.Value.Of(buf))
	}
	return nil
}

// once stores the value of a field that must not repeat.
func once(seen *bool, twice error, value Span, at *Span) error {
	if *seen {
		return twice
	}
	*seen, *at = true, value
	return nil
}

// expect reads an expectation; HTTP/1.0 has none (RFC 9110 section 10.1.1).
func (r *Request) expect(value []byte) error {
	if !r.modern() {
		return nil
	}
	if !EqualFold(value, "100-continue") {
		return errExpectation
	}
	r.ExpectContinue = true
	return nil
}

// modern says that the client speaks HTTP/1.1 or claims something later.
func (r *Request) modern() bool { return r.Major > 1 || r.Major == 1 && r.Minor >= 1 }

func (f *framing) contentLength(buf []byte, r *Request, h *Header) error {
	if err := once(&f.length, errLengthTwice, h.Value, &f.value); err != nil {
		return err
	}
	n, ok := ParseLength(h.Value.Of(buf))
	if !ok {
		return errLength
	}
	r.ContentLength = n
	return nil
}

// element cuts the first element off a comma-separated list.
func element(list []byte) (first, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:], true
		}
	}
	return trim(list), nil, false
}

// connection looks for the two tokens that matter (RFC 9112 section 9.3).
func (f *framing) connection(list []byte) {
	for more := true; more; {
		var token []byte
		token, list, more = element(list)
		f.close = f.close || EqualFold(token, "close")
		f.keep = f.keep || EqualFold(token, "keep-alive")
	}
}

// codings reads one Transfer-Encoding line; several lines are one list. Gunicorn's reading of it: identity is
// nothing, the registered codings reach the application undecoded and end the connection, chunked comes last
// and once. Anything odd is refused: falling back to Content-Length is how requests are smuggled.
func (f *framing) codings(list []byte) error {
	for more := true; more; {
		var coding []byte
		coding, list, more = element(list)
		if len(coding) == 0 || skip(coding, 0, len(coding), isToken) != len(coding) {
			return errCodingSyntax
		}
		if f.chunked {
			return errCodingOrder
		}
		switch {
		case EqualFold(coding, "chunked"):
			f.chunked = true
		case EqualFold(coding, "identity"):
		case EqualFold(coding, "gzip"), EqualFold(coding, "deflate"), EqualFold(coding, "compress"),
			EqualFold(coding, "x-gzip"), EqualFold(coding, "x-compress"):
			f.opaque = true
		default:
			return errCodingUnknown
		}
	}
	return nil
}

// ParseLength reads the value of a Content-Length field: digits only, at most 2^63-1 (RFC 9110 section 8.6).
func ParseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if class[c]&isDigit == 0 {
			return 0, false
		}
		d := int64(c - '0')
		if n > (1<<63-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// ofStream takes what the server has added to a stream's head out of it again: the coding that stands for a
// length that is not known.
func (r *Request) ofStream(buf []byte) {
	r.KeepAlive = false
	if r.Chunked && len(r.Headers) > 0 && concernOf(r.Headers[0].Name.Of(buf)) == ofCoding {
		r.Headers = append(r.Headers[:0], r.Headers[1:]...)
	}
}
