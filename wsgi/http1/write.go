package http1

import (
	"strconv"
	"time"
)

// Continue is the interim response to Expect: 100-continue.
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// Framing of a chunked response body.
const (
	ChunkEnd  = "\r\n"      // after the data of each chunk
	LastChunk = "0\r\n\r\n" // after the last one
)

// AppendStatusLine appends a status line with an application's status, which ParseStatus has accepted. A status
// without a reason gets the SP that the grammar asks for. minor is the digit after "HTTP/1.".
func AppendStatusLine(dst []byte, minor uint8, status []byte) []byte {
	dst = append(dst, 'H', 'T', 'T', 'P', '/', '1', '.', '0'+minor, ' ')
	dst = append(dst, status...)
	if len(status) == len("200") {
		dst = append(dst, ' ')
	}
	return append(dst, "\r\n"...)
}

// AppendField appends one header field. Name and value are written as they are: check what an application gave
// with ValidName and ValidValue first.
func AppendField[N, V ~string | ~[]byte](dst []byte, name N, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendContentLength appends a Content-Length field for n bytes.
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendChunkHeader appends the size line of a chunk of n bytes, n > 0; the data and ChunkEnd follow it.
func AppendChunkHeader(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendDate appends t as IMF-fixdate (RFC 9110 section 5.6.7), 29 bytes.
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
}
