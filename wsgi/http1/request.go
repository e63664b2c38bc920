// Package http1 reads request heads and chunked bodies, and writes response heads, for HTTP/1.x.
//
// It does no I/O and allocates nothing, but for the text of an IP address in brackets: the caller owns
// every buffer, results are offsets into it, and each reader has three outcomes: done, more bytes wanted
// (ErrPartial, NeedMore), or an *Error with the status to answer. Readers resume where they stopped; no byte is
// scanned twice for want of its successor, and the outcome does not depend on how the input was cut.
//
// The rules are those of RFC 9110 and RFC 9112, always the strict choice where they leave one, with Gunicorn's
// limits and switches as fields of Policy. After an *Error the connection has no trustworthy framing left:
// answer, throw the buffer away, close.
package http1

// Span is a piece of the buffer given to Parse: buf[Off : Off+Len].
type Span struct{ Off, Len uint32 }

// Of returns the bytes of the span in buf, without room to append into what follows.
func (s Span) Of(buf []byte) []byte { return buf[s.Off : s.Off+s.Len : s.Off+s.Len] }

func span(from, to int) Span { return Span{uint32(from), uint32(to - from)} }

// Header is one field line: the name as sent, the value without the SP and HTAB around it (RFC 9112 section 5).
type Header struct {
	Name, Value Span
	Mark        uint32 // what the owner of Request.Lines knows of the name, 0: nothing
	Line        uint16 // place in Request.Lines from 1, a hint: the line there may be another one by now; 0: none
}

// Form is the form of the request target (RFC 9112 section 3.2). The fourth one, authority-form, belongs to
// CONNECT, which Parse refuses.
type Form uint8

// Forms of a request target.
const (
	Origin   Form = iota // /path?query
	Absolute             // http://authority/path?query
	Asterisk             // *, with OPTIONS only
)

// Policy holds the limits and switches of Gunicorn that concern a request head. One value serves every
// connection; Parse does not change it. The zero value is the strict policy without limits of its own but
// DefaultHeadSize.
type Policy struct {
	RequestLine int // limit_request_line: bytes of the request line without CRLF; 0 = only HeadSize bounds it; over it: 414
	Fields      int // limit_request_fields: field lines, trailers counted apart; 0 = only HeadSize bounds them; over it: 431
	FieldSize   int // limit_request_field_size: bytes of one field with its CRLFs; 0 = only HeadSize bounds it; over it: 431
	HeadSize    int // bytes of the whole head, empty lines before and after included; 0 = DefaultHeadSize; over it: 414 or 431

	PermitMethod          bool // permit_unconventional_http_method: lower case, '#', any length
	CasefoldMethod        bool // casefold_http_method: the method becomes upper case, in the buffer
	PermitVersion         bool // permit_unconventional_http_version: any HTTP/DIGIT.DIGIT
	StripHeaderSpaces     bool // strip_header_spaces: SP and HTAB between name and colon
	PermitObsoleteFolding bool // permit_obsolete_folding: RFC 9112 section 5.2; unfolded in the buffer
	PermitMissingHost     bool // HTTP/1.1 without Host, or with an empty one, as Gunicorn takes it
	Stream                bool // the head is that of an HTTP/2 stream: its version is HTTP/2.0, one request is all there is, and Transfer-Encoding is no field of the client's
	PermitFragment        bool // '#' in the target, as Gunicorn takes it; cut off from Path and Query
}

// DefaultHeadSize bounds a head where the policy does not: 64 KiB.
const DefaultHeadSize = 64 << 10

// headSize is the effective HeadSize.
func (p *Policy) headSize() int {
	if p.HeadSize > 0 {
		return p.HeadSize
	}
	return DefaultHeadSize
}

// Request is one parsed head. Reuse it: Headers keeps its backing array. The exported fields are valid once
// Parse has returned nil, and as long as the buffer holds the same bytes at the same offsets.
type Request struct {
	Method    Span
	Target    Span // as sent
	Path      Span // without query and fragment, not decoded; empty for http://host
	Query     Span // after '?', not decoded
	Authority Span // of an absolute-form target, else empty; it overrides Host (RFC 9112 section 3.2.2)
	Host      Span // value of the Host header, empty if there is none
	Proto     Span // HTTP/1.1

	Form         Form
	Major, Minor uint8
	Headers      []Header
	HeadLen      int // bytes of the head, empty lines before and after included

	ContentLength  int64 // -1 = not given; a request without it that is not Chunked has no body
	Chunked        bool  // the body is chunked; ContentLength is -1
	KeepAlive      bool  // the client may send another request on the connection
	ExpectContinue bool  // Expect: 100-continue from an HTTP/1.1 client
	HasHost        bool

	Lines *Lines // lines to recognise, nil: none; stays through Reset

	// Where the scan stopped, kept between partial calls.
	stage   stage
	blank   uint8 // empty lines seen before the request line
	folding bool  // the value being scanned continues the last header's
	pos     int   // next byte to look at
	mark    int   // start of the token being scanned
	line    int   // start of the request line or field being scanned
	fields  int   // start of the first field line; 0: not reached
}

// Reset forgets a partly parsed head, so that the next Parse starts at the first byte of its buffer. After a
// complete head or an error Parse does that by itself.
func (r *Request) Reset() { *r = Request{Headers: r.Headers[:0], ContentLength: -1, Lines: r.Lines} }

// Idle says that no byte of a request has been seen, empty lines apart: closing the connection loses nothing.
func (r *Request) Idle() bool { return r.stage == stageStart || r.stage == stageDone }
