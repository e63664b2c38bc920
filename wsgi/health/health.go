// Package health answers health_path: whether the server takes requests, said without the application. Worker and
// master share it, since each of them may be the one that is asked.
package health

import "bytes"

// State is how the server is, as far as whoever sends it requests wants to know.
type State int

// The states.
const (
	Serving  State = iota // requests are served; one may wait for others
	Starting              // no worker is ready yet
	Stopping              // none will be soon
)

// Words are what the body of an answer says.
var words = [...]string{Serving: "ok\n", Starting: "starting\n", Stopping: "stopping\n"}

// Reply is one answer.
type Reply struct {
	State  State
	Date   []byte
	Kept   string // header lines, without the last one's end, of a connection that stays; "": it ends
	Server string // the line of the header Server, or ""
	Head   bool   // of HEAD
}

// Append writes the answer into dst: 200, or 503 where requests should go elsewhere.
func (r *Reply) Append(dst []byte) []byte {
	status, kept := "200 OK", r.Kept
	if r.State != Serving {
		status = "503 Service Unavailable"
	}
	if kept == "" {
		kept = "Connection: close"
	}
	dst = append(append(append(dst, "HTTP/1.1 "...), status...), "\r\n"...)
	dst = append(append(append(append(dst, r.Server...), "Date: "...), r.Date...), "\r\n"...)
	dst = append(append(dst, kept...), "\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: "...)
	text := words[r.State]
	dst = append(dst, byte('0'+len(text)), '\r', '\n', '\r', '\n') // each is shorter than ten bytes
	if r.Head {
		return dst
	}
	return append(dst, text...)
}

// Asked is what the first bytes of a connection amount to.
type Asked int

// The answers of Look.
const (
	Other Asked = iota // it is no question for health_path
	More               // it may become one
	Get
	Head
)

// Look tells whether a connection begins with a complete question for path. It is for who has no parser and leaves
// all else, faulty requests too, to those that have one.
func Look(begin []byte, path string) Asked {
	for _, m := range []struct {
		text string
		is   Asked
	}{{"GET ", Get}, {"HEAD ", Head}} {
		line := m.text + path
		if len(begin) < len(line) {
			if bytes.HasPrefix([]byte(line), begin) {
				return More
			}
			continue
		}
		rest, found := bytes.CutPrefix(begin, []byte(line))
		switch {
		case !found || len(rest) > 0 && rest[0] != ' ' && rest[0] != '?':
		case bytes.Contains(rest, []byte("\r\n\r\n")):
			if version, _, _ := bytes.Cut(rest, []byte("\r\n")); bytes.HasSuffix(version, []byte(" HTTP/1.1")) || bytes.HasSuffix(version, []byte(" HTTP/1.0")) {
				return m.is
			}
		default:
			return More
		}
	}
	return Other
}
