// Package route takes the lines of the error log, and what is measured, beside the log's file: to syslog and to statsd,
// as the settings say. Master and worker have a Route each.
package route

import (
	"strings"
	"time"

	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/statsd"
	"gosrv/wsgi/logs/syslog"
)

// patience is what the last lines, and the last metrics, get at the end.
const patience = time.Second

// severities are syslog's, by level.
var severities = [...]syslog.Severity{
	errlog.Debug: syslog.Debug, errlog.Info: syslog.Info, errlog.Warning: syslog.Warning,
	errlog.Error: syslog.Error, errlog.Critical: syslog.Critical,
}

// Route is where lines and metrics go. Its zero value takes them nowhere.
type Route struct {
	Syslog *syslog.Sender // of the error log; nil: none
	Access *syslog.Sender // of the access log; nil: none
	Stats  *statsd.Client // nil: none
}

// Open makes the ways that the settings name; it connects when there is something to send. warn gets a sentence for the
// error log when lines for syslog were lost. An error is of the settings.
func Open(s *workerctl.Settings, warn func(text string)) (Route, error) {
	var r Route
	var err error
	if r.Syslog, err = sender(s, "error", warn); err != nil {
		return Route{}, err
	}
	if s.StatsdHost != "" {
		r.Stats = statsd.New(s.StatsdHost, s.StatsdPrefix, s.DogstatsdTags)
	}
	return r, nil
}

// OpenAccess makes the way of the access log's lines to syslog, if the settings name one. Lines that are lost are not
// reported: those of the error log say that syslog is away.
func (r *Route) OpenAccess(s *workerctl.Settings) (err error) {
	if !s.SyslogNoAccess {
		r.Access, err = sender(s, "access", nil)
	}
	return err
}

// sender makes what sends to syslog; nil if the settings ask for none.
func sender(s *workerctl.Settings, name string, warn func(text string)) (*syslog.Sender, error) {
	if !s.Syslog {
		return nil, nil
	}
	address, err := syslog.ParseAddress(s.SyslogAddr)
	if err != nil {
		return nil, err
	}
	facility, err := syslog.Facility(s.SyslogFacility)
	if err != nil {
		return nil, err
	}
	return syslog.NewSender(address, facility, s.SyslogName(), name, warn), nil
}

// Line passes a line of the error log on: an errlog.Copy.
func (r Route) Line(level errlog.Level, text []byte) {
	if r.Syslog != nil {
		r.Syslog.Send(severities[level], text)
	}
	if r.Stats != nil && level >= errlog.Warning {
		r.Stats.Count("gunicorn.log." + strings.ToLower(level.String()))
	}
}

// CloseAccess ends the way of the access log at once: its lines are somebody else's now.
func (r *Route) CloseAccess() {
	if r.Access != nil {
		r.Access.Close(0)
		r.Access = nil
	}
}

// Close sends what is left, as far as that goes within a second each.
func (r Route) Close() {
	for _, s := range []*syslog.Sender{r.Access, r.Syslog} {
		if s != nil {
			s.Close(patience)
		}
	}
	if r.Stats != nil {
		r.Stats.Close(patience)
	}
}
