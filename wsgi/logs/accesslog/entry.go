// Package accesslog writes a line about each request: Gunicorn's access_log_format, compiled once and filled in without
// allocation, and a writer that never makes a request wait for a disk.
//
//	format, err := accesslog.Compile(accesslog.Default)     once
//	line = format.Append(line[:0], &entry)                  per request, into a buffer that is kept
//	writer.Write(line)                                      copies it into a bounded queue and returns
//
// Everything that a client or the application chose is escaped: a quote becomes \", a backslash \\, control characters
// (C0, DEL, C1, and the line separators of Unicode) and bytes that are not UTF-8 become \xHH. So a line is always one line, and
// a quoted field always ends at its quote. Gunicorn escapes quotes only.
package accesslog

import (
	"strconv"
	"time"
)

// Default is the format of Gunicorn's access_log_format setting.
const Default = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

// JSON is the format that asks for one JSON object a line instead.
const JSON = "json"

// Source looks up what a format may ask for by name. Names come in lower case. A nil value means there is none, which
// is logged as "-". The bytes are read before the next call and not kept.
type Source interface {
	RequestHeader(name string) []byte  // {name}i; of several fields the last one, as in Gunicorn
	ResponseHeader(name string) []byte // {name}o: headers the application set
	Environ(name string) []byte        // {name}e, for example "wsgi.url_scheme" or "http_host"
}

// Entry is one request and its answer. The slices are borrowed for the call of [Format.Append]; the entry itself is
// meant to be kept and filled anew, one for each thread that logs.
type Entry struct {
	Remote   []byte        // REMOTE_ADDR; nil: unknown, logged as "-"; empty for unix sockets, as in Gunicorn
	Method   []byte        // as sent
	Target   []byte        // as sent: Gunicorn's RAW_URI
	Path     []byte        // PATH_INFO, decoded
	Query    []byte        // QUERY_STRING
	Proto    []byte        // HTTP/1.1
	Status   int           // 100 to 999; less than 0: None, as Gunicorn says where there was no answer
	Bytes    int64         // of the body sent
	End      time.Time     // when the answer was complete: %(t)s
	Duration time.Duration // from the request's arrival to End
	Source   Source        // never nil

	scratch []byte // for decoding the user's name
}

// appendStatus puts the status.
func (e *Entry) appendStatus(dst []byte) []byte {
	if e.Status < 0 {
		return append(dst, "None"...)
	}
	return strconv.AppendInt(dst, int64(e.Status), 10)
}
