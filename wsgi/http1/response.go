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

// ParseStatus reads an application's status, "NNN reason" or "NNN" (PEP 3333, RFC 9112 section 4): a code of 100
// to 999, then a SP and a reason without control bytes. ok is false for anything else.
func ParseStatus(b []byte) (code int, ok bool) {
	if len(b) < 3 || len(b) > 3 && b[3] != ' ' || b[0] == '0' {
		return 0, false
	}
	for _, c := range b[:3] {
		if class[c]&isDigit == 0 {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, ValidValue(b[3:])
}

// ValidName says whether b is a header name: a token (RFC 9110 section 5.1).
func ValidName(b []byte) bool { return len(b) > 0 && skip(b, 0, len(b), isToken) == len(b) }

// ValidValue says whether b may stand in a header value: HTAB, SP, visible ASCII and 0x80 to 0xFF
// (RFC 9110 section 5.5). No CR, LF or NUL passes.
func ValidValue(b []byte) bool { return skipValue(b, 0, len(b)) == len(b) }

// HopByHop says whether a response header of that name is the server's business and never an application's
// (PEP 3333, RFC 9110 section 7.6.1).
func HopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return EqualFold(name, "te")
	case 7:
		return EqualFold(name, "upgrade")
	case 8:
		return EqualFold(name, "trailers")
	case 10:
		return EqualFold(name, "connection") || EqualFold(name, "keep-alive")
	case 16:
		return EqualFold(name, "proxy-connection")
	case 17:
		return EqualFold(name, "transfer-encoding")
	case 18:
		return EqualFold(name, "proxy-authenticate")
	case 19:
		return EqualFold(name, "proxy-authorization")
	}
	return false
}

// BodyAllowed says whether a response with this status may have content: not 1xx, 204 and 304
// (RFC 9110 section 6.4.1). The answer to HEAD has none either way.
func BodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }

// reasons are the registered reason phrases (IANA HTTP Status Code Registry).
var reasons = map[int]string{
	100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
	205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
	421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked", 424: "Failed Dependency",
	425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates",
	507: "Insufficient Storage", 508: "Loop Detected", 511: "Network Authentication Required",
}

// ReasonPhrase returns the registered phrase of a status code, or "Unknown".
func ReasonPhrase(status int) string {
	if s, ok := reasons[status]; ok {
		return s
	}
	return "Unknown"
}

// details is the one sentence of an error page, constant for each status.
var details = map[int]string{
	400: "The request is malformed.",
	403: "The request is forbidden.",
	408: "The request did not arrive in time.",
	411: "The request needs a Content-Length.",
	413: "The request body is too large.",
	414: "The request line is too long.",
	417: "The expectation is not supported.",
	431: "The request header fields are too large.",
	501: "The request asks for something that is not implemented.",
	503: "The server is not able to answer now.",
	505: "The HTTP version is not supported.",
}

// The page around the phrase, twice, and the detail: Gunicorn's without its echo of the request.
const (
	page1 = "<html>\n  <head>\n    <title>"
	page2 = "</title>\n  </head>\n  <body>\n    <h1><p>"
	page3 = "</p></h1>\n    "
	page4 = "\n  </body>\n</html>\n"
)

// AppendError appends a whole HTTP/1.1 response for a request that is refused or has failed: status line, Date
// if date is not empty, Connection: close, and a small HTML page. Nothing of the request is in it. status is
// 400 to 599; date as AppendDate writes it.
func AppendError(dst []byte, status int, date []byte) []byte {
	reason, detail := ReasonPhrase(status), details[status]
	size := len(page1) + len(page2) + len(page3) + len(page4) + 2*len(reason) + len(detail)
	dst = AppendStatus(dst, 1, status)
	if len(date) > 0 {
		dst = AppendField(dst, "Date", date)
	}
	dst = append(dst, "Connection: close\r\nContent-Type: text/html\r\n"...)
	dst = AppendContentLength(dst, int64(size))
	dst = append(dst, "\r\n"+page1...)
	dst = append(append(dst, reason...), page2...)
	dst = append(append(dst, reason...), page3...)
	return append(append(dst, detail...), page4...)
}

// AppendStatus appends a status line with the registered phrase. minor is the digit after "HTTP/1.".
func AppendStatus(dst []byte, minor uint8, status int) []byte {
	dst = append(dst, 'H', 'T', 'T', 'P', '/', '1', '.', '0'+minor, ' ')
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, ReasonPhrase(status)...)
	return append(dst, "\r\n"...)
}
