// Package access says of each request that is over what became of it: a line for the access log's file,
// for syslog, or for Python's loggers, and a measure for statsd.
package access

import (
	"time"

	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/accesslog"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/route"
	"gosrv/wsgi/logs/syslog"
)

// patience is what the last lines get at the end.
const patience = 2 * time.Second

// Log is where lines and measures go. It is opened before the first request and
// then used by all threads.
type Log struct {
	errors     *errlog.Logger
	file       *accesslog.Writer // nil: no access log
	format     *accesslog.Format
	keepsReply bool // format shows headers of the application
	route      route.Route
	measures   bool // statsd gets what is measured of requests
	extended   bool // and what they waited for
	python     int  // takes what Python logs (pyshim's logs.Relay); -1: nothing
	refusals   bool // Python writes the access log: it is told of refused requests
	wanted     bool // something is done with a request that is over
}

// New makes one that goes nowhere yet; what is wrong with it is said in errors.
func New(errors *errlog.Logger) *Log { return &Log{errors: errors, python: -1} }

// OpenFile starts the access log on fd, which is its own from now on.
func (w *Log) OpenFile(format string, fd int) {
	w.compile(format)
	w.file = accesslog.NewWriter(fd, 0, func(text string) { w.errors.Warningf("%s", text) })
	w.settle()
}

// SetFile lets the access log go on in another file, and tells whether there is one: fd is its own then.
func (w *Log) SetFile(fd int) bool {
	if w.file == nil {
		return false
	}
	w.file.SetFD(fd)
	return true
}

// OpenRoute opens what the settings name beside the files, for lines of the error log, too. The master has checked them.
func (w *Log) OpenRoute(set *workerctl.Settings) (err error) {
	if w.route, err = route.Open(set, func(text string) { w.errors.Warningf("%s", text) }); err != nil {
		return err
	}
	if err := w.route.OpenAccess(set); err != nil {
		return err
	}
	if w.route.Access != nil {
		w.compile(set.AccessLogFormat)
	}
	w.measures = w.route.Stats != nil
	w.extended = w.measures && set.StatsdExtended
	w.errors.SetCopies(w.route.Line)
	w.settle()
	return nil
}

// compile prepares lines for a file, syslog, or both. A format that Python
// would refuse gives way to Gunicorn's default; the master has warned of it
// once, for all workers.
func (w *Log) compile(format string) {
	f, err := accesslog.Compile(format)
	if err != nil {
		f, _ = accesslog.Compile(accesslog.Default)
	}
	w.format = f
	w.keepsReply = f.AsksForReply()
}

// Python says what Python's loggers are to write in place of the server.
type Python struct {
	FD      int  // SOCK_SEQPACKET, for what is Python's to log; Python's own; -1: nothing is
	Errors  bool // lines of the error log
	Access  bool // lines of the access log
	Metrics bool // and what is measured of requests
	Level   int  // the least level of the error log, as Python counts
}

// Follow leaves to Python what its loggers are to write.
func (w *Log) Follow(python Python) {
	w.python = python.FD
	if python.FD < 0 {
		return
	}
	if python.Errors {
		w.errors.SetLeast(errlog.FromPython(python.Level))
		w.errors.SetRelay(func(level errlog.Level, _ time.Time, text string) bool {
			return w.toPython(map[string]any{"kind": "line", "level": level.Python(), "text": text})
		})
	}
	if python.Access {
		w.Close()
		w.file, w.keepsReply, w.refusals = nil, false, true
		w.route.CloseAccess()
	}
	if python.Metrics {
		w.measures = false
	}
	w.settle()
}

func (w *Log) settle() {
	w.wanted = w.file != nil || w.route.Access != nil || w.measures
}

// Wanted tells whether something is done with a request that is over.
func (w *Log) Wanted() bool { return w.wanted }

// Waited tells statsd what a request waited for, where it is to know. Times are lent.
func (w *Log) Waited(times *metrics.Times) {
	if w.extended {
		w.route.Stats.Waits(times)
	}
}

// KeepsReply tells whether lines show headers of the application.
func (w *Log) KeepsReply() bool { return w.keepsReply }

// CountLossesBy has count told of lines that are lost, of this log and of those for syslog, on any goroutine.
func (w *Log) CountLossesBy(count func(n uint64)) {
	if w.file != nil {
		w.file.CountLossesBy(count)
	}
	for _, s := range []*syslog.Sender{w.route.Access, w.route.Syslog} {
		if s != nil {
			s.CountLossesBy(count)
		}
	}
}

// Counts gives how many lines were written to the file, and how many found no room.
func (w *Log) Counts() (written, dropped uint64) { return w.file.Counts() }

// Close writes what is left for the file, at the worker's end.
func (w *Log) Close() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(patience); err != nil {
		w.errors.Warningf("%v", err)
	}
}

// CloseRoute sends what is left for syslog and statsd.
func (w *Log) CloseRoute() { w.route.Close() }
