package master

import (
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// signal obeys one signal, as Gunicorn's master does.
func (m *Master) signal(sig unix.Signal) {
	if m.phase != starting {
		m.log.Infof("Handling signal: %s", strings.ToLower(strings.TrimPrefix(unix.SignalName(sig), "SIG")))
	}
	switch sig {
	case unix.SIGTERM:
		if m.phase != stopping {
			m.beginStop(true, 0, "")
		}
	case unix.SIGINT, unix.SIGQUIT:
		if m.phase == stopping {
			m.hurry()
		} else {
			m.beginStop(false, 0, "")
		}
	case unix.SIGHUP:
		if m.phase != stopping {
			m.hups++
			m.reload()
		}
	case unix.SIGTTIN:
		m.resize(1)
	case unix.SIGTTOU:
		m.resize(-1)
	case unix.SIGUSR1:
		m.reopenLogs()
	case unix.SIGUSR2:
		m.beginUpgrade()
	case unix.SIGWINCH:
		m.restWorkers()
	}
}

// restWorkers obeys WINCH: a daemon's workers go, the master stays; HUP brings
// workers back. Others ignore it: for them it is a terminal that changed its size.
func (m *Master) restWorkers() {
	if m.phase != serving || !m.current.plan.Own.Daemon {
		m.log.Debugf("SIGWINCH ignored. Not daemonized")
		return
	}
	m.log.Infof("graceful stop of workers")
	old := m.newest().workers
	for _, g := range []*generation{m.current, m.next} {
		if g != nil {
			g.workers = 0
		}
	}
	m.hook("nworkers_changed", 0, old)
}

// resize adds workers or takes one away, never below one.
func (m *Master) resize(by int) {
	if m.phase != serving {
		return
	}
	old := m.newest().workers
	for _, g := range []*generation{m.current, m.next} {
		if g != nil && g.plan != nil && g.workers+by >= 1 {
			g.workers += by
		}
	}
	if now := m.newest().workers; now != old {
		m.hook("nworkers_changed", now, old)
	}
}

// reopenLogs obeys USR1: after a rotation everybody writes to the new files.
func (m *Master) reopenLogs() {
	if m.phase == starting {
		return
	}
	for _, g := range []*generation{m.current, m.next} {
		if g == nil {
			continue
		}
		if err := g.errorLog.Reopen(func(fd int) {
			if g == m.current {
				m.log.SetFD(fd)
				errlog.LastWords(fd)
			}
		}); err != nil {
			m.log.Errorf("Cannot reopen the error log: %v", err)
		}
		if g.accessLog != nil {
			if err := g.accessLog.Reopen(func(int) {}); err != nil {
				m.log.Errorf("Cannot reopen the access log: %v", err)
			}
		}
		if g.up() {
			m.tell(g.zygote, zygotectl.ReopenLogs{}, g.errorLog.FD())
		}
	}
	for _, z := range m.retained {
		m.tell(z, zygotectl.ReopenLogs{}, m.current.errorLog.FD())
	}
	for _, c := range m.table.List {
		if c.Channel == nil {
			continue
		}
		names, fds := m.generationOf(c).logFDs()
		if err := c.Channel.Send(workerctl.ReopenLogs{FDs: names}, fds...); err != nil {
			m.log.Errorf("Worker (pid:%d) keeps writing to the old logs: %v", c.PID, err)
		}
	}
}
