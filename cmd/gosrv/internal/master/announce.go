package master

import (
	"fmt"
	"time"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/workers"
)

// announcer tells systemd, and who asks by `gosrv status`, how the server is.
type announcer struct {
	*server
	m         *Master
	announced bool      // systemd knows that we are ready
	watchdog  time.Time // last sign of life
}

// tell tells systemd. It is no reason to fail if that does not listen.
func (a *announcer) tell(assignments ...string) {
	if err := a.sys.Tell(assignments...); err != nil {
		a.log.Debugf("%v", err)
	}
}

// ready says that the first worker serves: only now is there a service.
func (a *announcer) ready() {
	if a.announced || a.phase != serving {
		return
	}
	a.announced = true
	// In this order: the master before answers the word with MAINPID, and that
	// must be the last that systemd hears of the two of them.
	a.serving()
	a.m.upgrade.sayReady()
}

// serving says READY, at first and after each reload, whether it
// brought new code or not.
func (a *announcer) serving() {
	if !a.announced || a.phase != serving {
		return
	}
	line := fmt.Sprintf("STATUS=Generation %d serves with %d workers", a.gens.Current.Number, a.gens.Current.Workers)
	if a.m.reload.failure != "" {
		line += "; the last reload failed, see the log"
	}
	assignments := []string{"READY=1", line}
	if a.m.upgrade.parent == 0 {
		assignments = append(assignments, systemd.MainPID(a.pid))
	}
	a.tell(assignments...)
}

// stopping says that the service ends, or who goes on with it.
func (a *announcer) stopping() {
	if a.m.upgrade.successor != nil && a.m.upgrade.successor.pid != 0 {
		a.tell(systemd.MainPID(a.m.upgrade.successor.pid))
		return
	}
	if a.m.upgrade.parent == 0 && a.announced {
		a.tell("STOPPING=1", "STATUS=Finishing what runs")
	}
}

// signOfLife answers the watchdog, twice as often as is asked. The loop that
// supervises is alive if it comes here.
func (a *announcer) signOfLife(now time.Time) {
	every := a.opt.Manager.Watchdog
	if every > 0 && now.Sub(a.watchdog) >= every/2 {
		a.watchdog = now
		a.tell("WATCHDOG=1")
	}
}

// publish shows the state to `gosrv status` and its siblings.
func (a *announcer) publish() {
	s := status.Status{
		PID: a.pid, Version: a.opt.Version, Parent: a.m.upgrade.parent, Generation: a.gens.Current.Number, Workers: a.gens.Current.Workers,
		Phase:   [...]string{starting: status.Starting, serving: status.Serving, stopping: status.Stopping}[a.phase],
		Reloads: a.m.reload.hups, Reloaded: a.m.reload.answered, ReloadError: a.m.reload.failure,
		Upgrades: a.m.upgrade.history.begun, Upgrade: a.m.upgrade.history.state, UpgradePID: a.m.upgrade.history.pid, UpgradeError: a.m.upgrade.history.err,
	}
	if a.gens.Current.Plan != nil {
		s.App = a.gens.Current.Plan.App
	}
	for _, c := range a.table.List {
		if c.Counts() && c.State == workers.Ready {
			s.Ready++
		}
	}
	if err := a.sys.Publish(s); err != nil {
		a.log.Debugf("%v", err)
	}
}
