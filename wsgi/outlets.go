package wsgi

import (
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/statsd"
	"gosrv/wsgi/logs/syslog"
)

// farewell is what the last lines to syslog, and the last metrics, get at the end.
const farewell = time.Second

// outlets are where lines and metrics go beside the files, and what Python logs in Go's place.
type outlets struct {
	syslog   *syslog.Sender // of the error log; nil: none
	access   *syslog.Sender // of the access log; nil: none
	stats    *statsd.Client // nil: none
	requests bool           // stats gets what is measured of requests
	python   int            // takes what Python logs (pyshim's logs.Relay); -1: nothing
	refusals bool           // Python writes the access log: it is told of refused requests
	any      bool           // something is done with a request that is over
}

// severities are syslog's, by level.
var severities = [...]syslog.Severity{
	errlog.Debug: syslog.Debug, errlog.Info: syslog.Info, errlog.Warning: syslog.Warning,
	errlog.Error: syslog.Error, errlog.Critical: syslog.Critical,
}

// openOutlets opens what the settings name beside the files. The master has checked them.
func (w *worker) openOutlets(set *workerctl.Settings) error {
	o := &w.out
	o.python = -1
	if set.Syslog {
		address, err := syslog.ParseAddress(set.SyslogAddr)
		if err != nil {
			return err
		}
		facility, err := syslog.Facility(set.SyslogFacility)
		if err != nil {
			return err
		}
		report := func(text string) { w.log.Warningf("%s", text) }
		o.syslog = syslog.NewSender(address, facility, set.SyslogName(), "error", report)
		if !set.SyslogNoAccess {
			w.compileAccess(set.AccessLogFormat)
			o.access = syslog.NewSender(address, facility, set.SyslogName(), "access", nil)
		}
	}
	if set.StatsdHost != "" {
		o.stats, o.requests = statsd.New(set.StatsdHost, set.StatsdPrefix, set.DogstatsdTags), true
	}
	w.log.SetCopies(w.copyLine)
	errlog.LastWords(w.logFDs[workerctl.FDErrorLog])
	w.settleOutlets()
	return nil
}

// copyLine passes a line of the error log on.
func (w *worker) copyLine(level errlog.Level, text []byte) {
	if w.out.syslog != nil {
		w.out.syslog.Send(severities[level], text)
	}
	if w.out.stats != nil && level >= errlog.Warning {
		w.out.stats.Count("gunicorn.log." + strings.ToLower(level.String()))
	}
}

// follow leaves to Python what its loggers are to write.
func (w *worker) follow(route cpython.LogRoute) {
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
		if o.access != nil {
			o.access.Close(0)
			o.access = nil
		}
	}
	if route.Metrics {
		o.requests = false
	}
	w.settleOutlets()
}

func (w *worker) settleOutlets() {
	w.out.any = w.access != nil || w.out.access != nil || w.out.requests
}

// toPython leaves something to be logged. It never waits; false: there is no room.
func (w *worker) toPython(message any) bool {
	packet, err := json.Marshal(message)
	return err == nil && unix.Send(w.out.python, packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) == nil
}

// tellRefusal leaves the line of a refused request to Python.
func (s *slot) tellRefusal() {
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

// closeOutlets sends what is left, at the worker's end.
func (w *worker) closeOutlets() {
	o := &w.out
	for _, sender := range []*syslog.Sender{o.access, o.syslog} {
		if sender != nil {
			sender.Close(farewell)
		}
	}
	if o.stats != nil {
		o.stats.Close(farewell)
	}
}
