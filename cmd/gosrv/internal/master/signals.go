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
			m.stop.begin(true, 0, "")
		}
	case unix.SIGINT, unix.SIGQUIT:
		if m.phase == stopping {
			m.stop.hurry()
		} else {
			m.stop.begin(false, 0, "")
		}
	case unix.SIGHUP:
		if m.phase != stopping {
			m.reload.hups++
			m.reload.begin()
		}
	case unix.SIGTTIN:
		m.resize(1)
	case unix.SIGTTOU:
		m.resize(-1)
	case unix.SIGUSR1:
		m.reopenLogs()
	case unix.SIGUSR2:
		m.upgrade.begin()
	case unix.SIGWINCH:
		m.restWorkers()
	}
}

// restWorkers obeys WINCH: a daemon's workers go, the master stays; HUP brings
// workers back. Others ignore it: for them it is a terminal that changed its size.
func (m *Master) restWorkers() {
	if m.phase != serving || !m.gens.Current.Plan.Own.Daemon {
		m.log.Debugf("SIGWINCH ignored. Not daemonized")
		return
	}
	m.log.Infof("graceful stop of workers")
	old := m.gens.Newest().Workers
	for _, g := range m.gens.All() {
		g.Workers = 0
	}
	m.hooks.order("nworkers_changed", 0, old)
}

// resize adds workers or takes one away, never below one.
func (m *Master) resize(by int) {
	if m.phase != serving {
		return
	}
	if workers := m.gens.Newest().Workers + by; workers >= 1 {
		m.resizeTo(workers)
	}
}

// resizeTo sets the number of workers, as signals and hooks may.
func (m *Master) resizeTo(workers int) {
	old := m.gens.Newest().Workers
	if m.phase == stopping || workers < 0 || workers == old {
		return
	}
	for _, g := range m.gens.All() {
		if g.Plan != nil {
			g.Workers = workers
		}
	}
	m.hooks.order("nworkers_changed", workers, old)
}

// reopenLogs obeys USR1: after a rotation everybody writes to the new files.
func (m *Master) reopenLogs() {
	if m.phase == starting {
		return
	}
	for _, g := range m.gens.All() {
		if err := g.ErrorLog.Reopen(func(fd int) {
			if g == m.gens.Current {
				m.log.SetFD(fd)
				errlog.LastWords(fd)
			}
		}); err != nil {
			m.log.Errorf("Cannot reopen the error log: %v", err)
		}
		if g.AccessLog != nil {
			if err := g.AccessLog.Reopen(func(int) {}); err != nil {
				m.log.Errorf("Cannot reopen the access log: %v", err)
			}
		}
		if g.Up() {
			m.zygotes.tell(g.Zygote, zygotectl.ReopenLogs{}, g.ErrorLog.FD())
		}
	}
	for _, z := range m.zygotes.retained {
		m.zygotes.tell(z, zygotectl.ReopenLogs{}, m.gens.Current.ErrorLog.FD())
	}
	for _, c := range m.table.List {
		if c.Channel == nil {
			continue
		}
		names, fds := m.gens.Of(c.Generation).FDs()
		if err := c.Channel.Send(workerctl.ReopenLogs{FDs: names}, fds...); err != nil {
			m.log.Errorf("Worker (pid:%d) keeps writing to the old logs: %v", c.PID, err)
		}
	}
}
