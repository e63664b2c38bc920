package logs

import (
	"os"
	"time"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/statsd"
	"gosrv/wsgi/logs/syslog"
)

// lastLines is how long the last lines and metrics may take, at the end of a generation's logs.
const lastLines = time.Second

// Outlets are where the lines and metrics of one generation go.
type Outlets struct {
	ErrorLog  *File
	AccessLog *File          // nil: none
	Syslog    *syslog.Sender // nil: none
	Stats     *statsd.Client // nil: none
}

// Open opens what the settings name: files, and the way to syslog and statsd.
// warn logs that lines to syslog were lost.
func (o *Outlets) Open(p *plan.Plan, warn func(text string)) error {
	sender, err := openSyslog(&p.Worker, warn)
	if err != nil {
		return err
	}
	if err := o.openFiles(p); err != nil {
		return err
	}
	o.Syslog = sender
	if s := &p.Worker; s.StatsdHost != "" {
		o.Stats = statsd.New(s.StatsdHost, s.StatsdPrefix, s.DogstatsdTags)
	}
	return nil
}

// openFiles opens what the errorlog and accesslog settings name.
func (o *Outlets) openFiles(p *plan.Plan) error {
	path := p.Worker.ErrorLog
	if path == "" {
		path = "-"
	}
	errorLog, err := Open(path, 2)
	if err != nil {
		return err
	}
	var accessLog *File
	if p.Worker.AccessLog != "" {
		if accessLog, err = Open(p.Worker.AccessLog, 1); err != nil {
			errorLog.Close()
			return err
		}
	}
	for _, f := range []*File{errorLog, accessLog} {
		if f != nil && (p.Own.User != os.Geteuid() || p.Own.Group != os.Getegid()) {
			_ = f.Chown(p.Own.User, p.Own.Group) // not root: the workers keep our user anyway
		}
	}
	o.ErrorLog, o.AccessLog = errorLog, accessLog
	return nil
}

// openSyslog makes what sends error lines to syslog; nil if the settings ask for none.
func openSyslog(s *workerctl.Settings, warn func(text string)) (*syslog.Sender, error) {
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
	return syslog.NewSender(address, facility, s.SyslogName(), "error", warn), nil
}

// Reopen opens the files again, after a rotation. use is told the error log's new
// descriptor before the old one is closed.
func (o *Outlets) Reopen(use func(fd int)) (errorLog, accessLog error) {
	errorLog = o.ErrorLog.Reopen(use)
	if o.AccessLog != nil {
		accessLog = o.AccessLog.Reopen(func(int) {})
	}
	return errorLog, accessLog
}

// Close closes the files, and the rest when what is left of lines and metrics has
// been sent; nobody waits for that.
func (o *Outlets) Close() {
	o.ErrorLog.Close()
	if o.AccessLog != nil {
		o.AccessLog.Close()
	}
	go o.Flush()
}

// Flush sends what is left of lines and metrics, and ends their ways.
func (o *Outlets) Flush() {
	if o.Syslog != nil {
		o.Syslog.Close(lastLines)
	}
	if o.Stats != nil {
		o.Stats.Close(lastLines)
	}
}

// FDs names the files' descriptors for a worker.
func (o *Outlets) FDs() ([]string, []int) {
	names, fds := []string{workerctl.FDErrorLog}, []int{o.ErrorLog.FD()}
	if o.AccessLog != nil {
		names, fds = append(names, workerctl.FDAccessLog), append(fds, o.AccessLog.FD())
	}
	return names, fds
}
