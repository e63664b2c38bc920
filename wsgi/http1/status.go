package http1

import "strconv"

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
