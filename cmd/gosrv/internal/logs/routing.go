package logs

import (
	"os"
	"time"

	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/statsd"
)

// Routing is where the master's own lines go.
type Routing struct {
	Log     *errlog.Logger
	through *zygote.Process // logs them; nil: they are plain
}

// Follow makes the master's lines those of a generation: its file, level, syslog and statsd.
func (r *Routing) Follow(t *Targets, level string) {
	r.Log.SetFD(t.ErrorLog.FD())
	errlog.LastWords(t.ErrorLog.FD())
	r.Log.SetLevel(level)
	r.Log.SetCopies(t.Line)
}

// RelayThrough hands the master's lines to the zygote if the user's logger class or logging
// configuration is to write them. While there is no zygote the lines are plain.
func (r *Routing) RelayThrough(z *zygote.Process) {
	r.through = nil
	if z == nil || !z.Logging.Relay {
		r.Log.SetRelay(nil)
		return
	}
	r.through = z
	r.Log.SetLeast(errlog.FromPython(z.Logging.Level))
	ch, pid := z.Channel, os.Getpid()
	r.Log.SetRelay(func(level errlog.Level, _ time.Time, text string) bool {
		return ch.Send(zygotectl.LogLine{Level: level.Python(), Text: text, PID: pid}) == nil
	})
}

// StopRelaying takes the lines back from a zygote that logs nothing now.
func (r *Routing) StopRelaying(z *zygote.Process) {
	if r.through == z {
		r.RelayThrough(nil)
	}
}

// Metrics are what the master itself tells statsd.
type Metrics struct {
	workers   int // that statsd knows of
	backlogAt time.Time
}

// Tell tells how many workers there are, when that changes, and how many
// connections wait, once a second, unless backlog is nil.
func (t *Metrics) Tell(client *statsd.Client, workers int, backlog func() int, now time.Time) {
	if workers != t.workers {
		t.workers = workers
		client.Gauge("gunicorn.workers", workers)
	}
	if backlog != nil && now.Sub(t.backlogAt) >= time.Second {
		t.backlogAt = now
		client.Histogram("gunicorn.backlog", backlog())
	}
}
