package logs

import (
	"os"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/route"
)

// Targets are where the lines and metrics of one generation go.
type Targets struct {
	ErrorLog  *File
	AccessLog *File // nil: none
	route.Route
}

// Open opens what the settings name: files, and the way to syslog and statsd.
// warn logs that lines to syslog were lost.
func (t *Targets) Open(p *plan.Plan, warn func(text string)) error {
	ways, err := route.Open(&p.Worker, warn)
	if err != nil {
		return err
	}
	if err := t.openFiles(p); err != nil {
		ways.Close()
		return err
	}
	t.Route = ways
	return nil
}

// openFiles opens what the errorlog and accesslog settings name.
func (t *Targets) openFiles(p *plan.Plan) error {
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
	t.ErrorLog, t.AccessLog = errorLog, accessLog
	return nil
}

// Reopen opens the files again, after a rotation. use is told the error log's new
// descriptor before the old one is closed.
func (t *Targets) Reopen(use func(fd int)) (errorLog, accessLog error) {
	errorLog = t.ErrorLog.Reopen(use)
	if t.AccessLog != nil {
		accessLog = t.AccessLog.Reopen(func(int) {})
	}
	return errorLog, accessLog
}

// Close closes the files, and the rest when what is left of lines and metrics has
// been sent; nobody waits for that.
func (t *Targets) Close() {
	t.ErrorLog.Close()
	if t.AccessLog != nil {
		t.AccessLog.Close()
	}
	go t.Route.Close()
}

// FDs names the files' descriptors for a worker.
func (t *Targets) FDs() ([]string, []int) {
	names, fds := []string{workerctl.FDErrorLog}, []int{t.ErrorLog.FD()}
	if t.AccessLog != nil {
		names, fds = append(names, workerctl.FDAccessLog), append(fds, t.AccessLog.FD())
	}
	return names, fds
}
