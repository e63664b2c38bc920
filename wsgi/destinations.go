package wsgi

import (
	"encoding/json"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/route"
)

// destinations are where lines and metrics go beside the files, and what Python logs in Go's place.
type destinations struct {
	route.Route
	requests bool // Stats gets what is measured of requests
	python   int  // takes what Python logs (pyshim's logs.Relay); -1: nothing
	refusals bool // Python writes the access log: it is told of refused requests
	any      bool // something is done with a request that is over
}

// openDestinations opens what the settings name beside the files. The master has checked them.
func (w *logging) openDestinations(set *workerctl.Settings) error {
	o := &w.out
	o.python = -1
	var err error
	if o.Route, err = route.Open(set, func(text string) { w.log.Warningf("%s", text) }); err != nil {
		return err
	}
	if err := o.OpenAccess(set); err != nil {
		return err
	}
	if o.Access != nil {
		w.compileAccess(set.AccessLogFormat)
	}
	o.requests = o.Stats != nil
	w.log.SetCopies(o.Line)
	errlog.LastWords(w.logFDs[workerctl.FDErrorLog])
	w.settleDestinations()
	return nil
}

// follow leaves to Python what its loggers are to write.
func (w *logging) follow(route cpython.LogRoute) {
	o := &w.out
	o.python = route.FD
	if route.FD < 0 {
		return
	}
	if route.Errors {
		w.log.SetLeast(errlog.FromPython(route.Level))
		w.log.SetRelay(func(level errlog.Level, _ time.Time, text string) bool {
			return w.toPython(map[string]any{"kind": "line", "level": level.Python(), "text": text})
		})
	}
	if route.Access {
		w.closeAccess()
		w.access, w.keepReply, o.refusals = nil, false, true
		o.CloseAccess()
	}
	if route.Metrics {
		o.requests = false
	}
	w.settleDestinations()
}

func (w *logging) settleDestinations() {
	w.out.any = w.access != nil || w.out.Access != nil || w.out.requests
}

// toPython leaves something to be logged. It never waits; false: there is no room.
func (w *logging) toPython(message any) bool {
	packet, err := json.Marshal(message)
	return err == nil && unix.Send(w.out.python, packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) == nil
}

// tellRefusal leaves the line of a refused request to Python.
func (s *environment) tellRefusal() {
	l := &s.access
	e, r := &l.entry, l.source.req
	var headers [][2]string
	for i := range r.Headers {
		h := &r.Headers[i]
		headers = append(headers, [2]string{latin1(h.Name.Of(l.source.head)), latin1(h.Value.Of(l.source.head))})
	}
	_ = s.w.toPython(map[string]any{
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
