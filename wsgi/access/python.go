package access

import (
	"encoding/json"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http1"
)

// toPython leaves something to be logged. It never waits; false: there is no room.
func (w *Log) toPython(message any) bool {
	packet, err := json.Marshal(message)
	return err == nil && unix.Send(w.python, packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) == nil
}

// tellRefusal leaves the line of a refused request to Python.
func (w *Log) tellRefusal(l *Line) {
	e, r := &l.entry, l.source.req
	var headers [][2]string
	for i := range r.Headers {
		h := &r.Headers[i]
		headers = append(headers, [2]string{latin1(h.Name.Of(l.source.head)), latin1(h.Value.Of(l.source.head))})
	}
	_ = w.toPython(map[string]any{
		"kind": "refused", "status": e.Status, "reason": http1.ReasonPhrase(e.Status), "bytes": e.Bytes, "headers": headers,
		"method": latin1(e.Method), "target": latin1(e.Target), "path": latin1(e.Path), "query": latin1(e.Query),
		"protocol": latin1(e.Proto), "remote": latin1(e.Remote),
	})
}

// latin1 is bytes as WSGI's strings show them.
func latin1(b []byte) string {
	text := make([]rune, len(b))
	for i, c := range b {
		text[i] = rune(c)
	}
	return string(text)
}
