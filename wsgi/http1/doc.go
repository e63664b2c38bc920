// Package http1 reads request heads, chunked bodies and PROXY headers, and writes response heads, for HTTP/1.x.
//
// It does no I/O and allocates nothing: the caller owns every buffer, results are offsets into it, and each
// reader has three outcomes: done, more bytes wanted (ErrPartial, NeedMore), or an *Error with the status to
// answer. Readers resume where they stopped; no byte is scanned twice for want of its successor, and the outcome
// does not depend on how the input was cut.
//
// The rules are those of RFC 9110 and RFC 9112, always the strict choice where they leave one, with Gunicorn's
// limits and switches as fields of Policy. After an *Error the connection has no trustworthy framing left:
// answer, throw the buffer away, close.
package http1
