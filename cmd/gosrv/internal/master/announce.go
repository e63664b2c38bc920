package master

import (
	"fmt"
	"time"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/workers"
)

// tellManager tells systemd. It is no reason to fail if that does not listen.
func (m *Master) tellManager(assignments ...string) {
	if err := m.sys.Tell(assignments...); err != nil {
		m.log.Debugf("%v", err)
	}
}

// announceReady says that the first worker serves: only now is there a service.
func (m *Master) announceReady() {
	if m.announced || m.phase != serving {
		return
	}
	m.announced = true
	// In this order: the master before answers the word with MAINPID, and that
	// must be the last that systemd hears of the two of them.
	m.announceServing()
	m.sayReady()
}

// announceServing says READY, at first and after each reload, whether it
// brought new code or not.
func (m *Master) announceServing() {
	if !m.announced || m.phase != serving {
		return
	}
	line := fmt.Sprintf("STATUS=Generation %d serves with %d workers", m.gens.Current.Number, m.gens.Current.Workers)
	if m.reloadError != "" {
		line += "; the last reload failed, see the log"
	}
	assignments := []string{"READY=1", line}
	if m.parent == 0 {
		assignments = append(assignments, systemd.MainPID(m.pid))
	}
	m.tellManager(assignments...)
}

// announceStop says that the service ends, or who goes on with it.
func (m *Master) announceStop() {
	if m.successor != nil && m.successor.pid != 0 {
		m.tellManager(systemd.MainPID(m.successor.pid))
		return
	}
	if m.parent == 0 && m.announced {
		m.tellManager("STOPPING=1", "STATUS=Finishing what runs")
	}
}

// signOfLife answers the watchdog, twice as often as is asked. The loop that
// supervises is alive if it comes here.
func (m *Master) signOfLife(now time.Time) {
	every := m.opt.Manager.Watchdog
	if every > 0 && now.Sub(m.watchdog) >= every/2 {
		m.watchdog = now
		m.tellManager("WATCHDOG=1")
	}
}

// publish shows the state to `gosrv status` and its siblings.
func (m *Master) publish() {
	s := status.Status{
		PID: m.pid, Version: m.opt.Version, Parent: m.parent, Generation: m.gens.Current.Number, Workers: m.gens.Current.Workers,
		Phase:   [...]string{starting: status.Starting, serving: status.Serving, stopping: status.Stopping}[m.phase],
		Reloads: m.hups, Reloaded: m.hupsAnswered, ReloadError: m.reloadError,
		Upgrades: m.upgrades.begun, Upgrade: m.upgrades.state, UpgradePID: m.upgrades.pid, UpgradeError: m.upgrades.err,
	}
	if m.gens.Current.Plan != nil {
		s.App = m.gens.Current.Plan.App
	}
	for _, c := range m.table.List {
		if c.Counts() && c.State == workers.Ready {
			s.Ready++
		}
	}
	if err := m.sys.Publish(s); err != nil {
		m.log.Debugf("%v", err)
	}
}
