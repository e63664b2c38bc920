package master

import (
	"slices"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/systemd"
)

// A reload brings up a second generation beside the first:
//
//	reload          next = new generation, its zygote evaluates the config file
//	loadedNext      its sockets are bound; on_reload
//	  balance       its workers are forked and import the application
//	completeReload  all are ready: current = next, the old ones are retired
//	abortReload     at any point before: next is ended, current serves on

// reload obeys HUP.
func (m *Master) reload() {
	if m.phase == starting || m.next != nil {
		m.reloadAgain = true // the newest code counts: once more when this is done
		m.forsake(m.sys.now())
		return
	}
	m.log.Infof("Hang up: %s", m.name())
	m.tellManager(systemd.Reloading(m.sys.monotonic())...)
	m.next = m.newGeneration()
	m.next.hups = m.hups
	if m.takeSeed(m.next) {
		m.orderConfig(m.next)
		return
	}
	m.startZygote(m.next)
}

// loadedNext goes on when config file (and application, if preloaded) of the
// new generation are loaded.
func (m *Master) loadedNext() {
	next := m.next
	m.notify(next.plan)
	if m.opt.Activated != nil || slices.Equal(m.current.plan.addrs, next.plan.addrs) {
		next.sockets = m.current.sockets
		m.runReloadHooks()
		return
	}
	next.zygote.configured = false // no workers before they have sockets
	m.sys.bind(next.plan.addrs, next.plan.socketOptions(), m.current.sockets, func(set listen.Set, err error) {
		next.sockets = set
		if m.next != next || next.zygote == nil || m.phase != serving {
			next.closeSockets(m.current.sockets)
			return
		}
		if err != nil {
			m.hint(err)
			m.abortReload(err.Error())
			return
		}
		m.log.Infof("Listening at: %s (%d)", next.urls(), m.pid)
		next.zygote.configured = true
		m.runReloadHooks()
	})
}

// runReloadHooks runs them in Gunicorn's order, the first one even if the
// number stays the same.
func (m *Master) runReloadHooks() {
	m.hook("nworkers_changed", m.next.workers, m.current.workers)
	m.hook("on_reload")
}

// movePidfile writes the new file before it removes the old one.
func (m *Master) movePidfile(path string) {
	if path == m.pidfile {
		return
	}
	if path != "" {
		if err := pidfile.Create(path, m.pid); err != nil {
			m.log.Errorf("%v", err)
			return
		}
	}
	if m.pidfile != "" {
		pidfile.Remove(m.pidfile, m.pid)
	}
	m.pidfile = path
}

// wanted is how many workers a generation is to have now. With
// reload_one_by_one a reload costs the memory of one worker, not of all: the
// new generation gets another one when its last is ready and the old one that
// this has replaced has gone.
func (m *Master) wanted(g *generation) int {
	next := m.next
	if next == nil || next.plan == nil || !next.plan.own.OneByOne {
		return g.workers
	}
	fresh := m.children.serving(next.number)
	switch {
	case g == m.current:
		return max(0, g.workers-fresh)
	case m.children.leaving(m.current.number):
		return min(g.workers, fresh)
	}
	return min(g.workers, fresh+1)
}

// completeReload hands over once every worker of the new generation serves.
func (m *Master) completeReload() {
	next := m.next
	if next == nil || !next.up() || m.children.serving(next.number) < next.workers {
		return
	}
	old := m.current
	m.next, m.current = nil, next
	m.retireZygote(old)
	m.release(&old.holdings, next.sockets)
	m.speakAs(next)
	m.relayThrough(next.zygote)
	old.closeLogs()
	m.movePidfile(m.pidfilePath(next.plan))
	m.showTitle()
	now := m.sys.now()
	for _, c := range m.children.except(next.number) {
		m.retire(c, now)
	}
	m.log.Infof("Generation %d serves", next.number)
	m.reloaded(next, "")
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
	next.closeSockets(m.current.sockets)
	next.closeLogs()
	m.next = nil
	m.reloaded(next, text)
	m.reloadOnceMore()
}

// reloaded notes the outcome of a reload; failure is "" for success.
func (m *Master) reloaded(g *generation, failure string) {
	m.hupsAnswered, m.reloadError = g.hups, failure
	m.announceServing()
}

// reloadOnceMore obeys a HUP that came during the reload.
func (m *Master) reloadOnceMore() {
	if m.reloadAgain && m.phase == serving {
		m.reloadAgain = false
		m.reload()
	}
}
