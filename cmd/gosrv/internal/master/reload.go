package master

import (
	"slices"

	"gosrv/cmd/gosrv/internal/ctl"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/pidfile"
)

// A reload brings up a second generation beside the first:
//
//	reload          next = new generation, its zygote evaluates the config file
//	loadedNext      settings taken up: sockets, logs; on_reload
//	  balance       its workers are forked and import the application
//	completeReload  all are ready: current = next, the old ones are retired
//	abortReload     at any point before: next is ended, current serves on

// reload obeys HUP.
func (m *Master) reload() {
	if m.phase == starting || m.next != nil {
		m.reloadAgain = true // the newest code counts: once more when this is done
		return
	}
	m.log.Infof("Hang up: Master")
	m.generations++
	m.next = newGeneration(m.generations)
	m.startZygote(m.next)
}

// loadedNext goes on when config file (and application, if preloaded) of the
// new generation are loaded.
func (m *Master) loadedNext() {
	next := m.next
	if m.activated || slices.Equal(m.current.plan.addrs, next.plan.addrs) {
		m.takeUp(next)
		return
	}
	next.zygote.configured = false // no workers before they have sockets
	m.sys.bind(next.plan.addrs, next.plan.socketOptions(), m.listeners, func(set listen.Set, err error) {
		if m.next != next || next.zygote == nil || m.phase != serving {
			closeNew(set, m.listeners)
			return
		}
		if err != nil {
			m.hint(err)
			m.abortReload(err.Error())
			return
		}
		old := m.listeners
		m.listeners = set
		old.Replace(set)
		m.log.Infof("Listening at: %s (%d)", m.urls(), m.pid)
		next.zygote.configured = true
		m.takeUp(next)
	})
}

// closeNew closes what was opened for a reload that is over already.
func closeNew(set, kept listen.Set) {
	for _, s := range set {
		if !slices.Contains(kept, s) {
			s.Close(true)
		}
	}
}

// takeUp applies what the new settings mean for the master itself.
func (m *Master) takeUp(next *generation) {
	p := next.plan
	m.notify(p)
	if err := m.openLogs(p); err != nil {
		m.abortReload(err.Error())
		return
	}
	m.tell(next.zygote, ctl.ReopenLogs{}, m.errorLog.FD())
	m.hook("on_reload")
	if m.current.workers != next.workers {
		m.hook("nworkers_changed", next.workers, m.current.workers)
	}
	m.movePidfile(p.own.Pidfile)
}

func (m *Master) movePidfile(path string) {
	if path == m.pidfile {
		return
	}
	if m.pidfile != "" {
		pidfile.Remove(m.pidfile, m.pid)
		m.pidfile = ""
	}
	if path == "" {
		return
	}
	if err := pidfile.Create(path, m.pid); err != nil {
		m.log.Errorf("%v", err)
		return
	}
	m.pidfile = path
}

// completeReload hands over once every worker of the new generation serves.
func (m *Master) completeReload() {
	next := m.next
	if next == nil || !next.up() || m.children.serving(next.number) < next.workers {
		return
	}
	m.next = nil
	m.dismiss(m.current)
	m.current = next
	now := m.sys.now()
	for _, c := range m.children.except(next.number) {
		m.retire(c, now)
	}
	m.log.Infof("Generation %d serves", next.number)
	m.reloadOnceMore()
}

// abortReload ends the new generation; the old one never stopped serving.
func (m *Master) abortReload(text string) {
	next := m.next
	if next == nil {
		return
	}
	m.log.Errorf("%s\nReload failed: generation %d serves on with the old code and settings", text, m.current.number)
	m.dismiss(next)
	now := m.sys.now()
	for _, c := range m.children.of(next.number) {
		m.retire(c, now)
	}
	m.next = nil
	m.reloadOnceMore()
}

// reloadOnceMore obeys a HUP that came during the reload.
func (m *Master) reloadOnceMore() {
	if m.reloadAgain && m.phase == serving {
		m.reloadAgain = false
		m.reload()
	}
}
