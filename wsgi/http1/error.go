package http1

import "errors"

// ErrPartial says that the input so far is a proper prefix of something acceptable: call again with more.
var ErrPartial = errors.New("http1: incomplete")

// Error is a refusal. All values are static: compare by pointer, never change one.
type Error struct {
	Status int    // the status to answer, 400 to 599
	Reason string // for the error log; constant text, nothing of the client's input
}

// Error implements the error interface.
func (e *Error) Error() string { return e.Reason }

// Refusals of a request line.
var (
	errLeadingLines  = &Error{400, "too many empty lines before the request line"}
	errLineEnd       = &Error{400, "line end is not CRLF"}
	errMethodChar    = &Error{400, "invalid character in the method"}
	errMethodShort   = &Error{400, "method too short"}
	errMethodLong    = &Error{501, "method too long"}
	errTargetEmpty   = &Error{400, "empty request target"}
	errTargetChar    = &Error{400, "invalid character in the request target"}
	errTargetForm    = &Error{400, "invalid form of request target"}
	errTargetScheme  = &Error{400, "scheme of the request target is not http or https"}
	errTargetHost    = &Error{400, "invalid authority in the request target"}
	errFragment      = &Error{400, "fragment in the request target"}
	errAsterisk      = &Error{400, "asterisk target with a method other than OPTIONS"}
	errConnect       = &Error{501, "CONNECT is for proxies"}
	errVersionAbsent = &Error{400, "no HTTP version"}
	errVersion       = &Error{400, "invalid HTTP version"}
	errVersionMajor  = &Error{505, "unsupported HTTP version"}
	errLineTooLong   = &Error{414, "request line too long"}
)

// Refusals of header fields and of what they say together.
var (
	errFieldSpace    = &Error{400, "whitespace before the first header field"}
	errFold          = &Error{400, "obsolete line folding"}
	errNameChar      = &Error{400, "invalid character in a header name"}
	errNameEmpty     = &Error{400, "empty header name"}
	errNameSpace     = &Error{400, "whitespace before the colon of a header field"}
	errNoColon       = &Error{400, "header line without a colon"}
	errValueChar     = &Error{400, "control character in a header value"}
	errTooMany       = &Error{431, "too many header fields"}
	errFieldTooLarge = &Error{431, "header field too large"}
	errHeadTooLarge  = &Error{431, "header section too large"}
	errHostMissing   = &Error{400, "no Host header"}
	errHostTwice     = &Error{400, "more than one Host header"}
	errHost          = &Error{400, "invalid Host header"}
	errTypeTwice     = &Error{400, "more than one Content-Type header"}
	errLengthTwice   = &Error{400, "more than one Content-Length header"}
	errLength        = &Error{400, "invalid Content-Length"}
	errLengthAndTE   = &Error{400, "both Content-Length and Transfer-Encoding"}
	errCodingOld     = &Error{400, "Transfer-Encoding in an HTTP/1.0 request"}
	errCodingSyntax  = &Error{400, "invalid Transfer-Encoding"}
	errCodingOrder   = &Error{400, "chunked is not the last transfer coding, exactly once"}
	errCodingUnknown = &Error{501, "unknown transfer coding"}
	errExpectation   = &Error{417, "unknown expectation"}
)

// Refusals of a chunked body.
var (
	errChunkSize     = &Error{400, "invalid chunk size"}
	errChunkOverflow = &Error{400, "chunk size too large"}
	errChunkEnd      = &Error{400, "chunk data is not followed by CRLF"}
	errChunkExt      = &Error{400, "invalid chunk extension"}
	errChunkExcess   = &Error{400, "too much chunk extension"}
	errTrailer       = &Error{400, "forbidden trailer field"}
)
