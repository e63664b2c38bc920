package master

import (
	"fmt"
	"strings"
	"time"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/beside"
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/reception"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/health"
)

// announcer tells systemd, who asks by `gosrv status`, and who asks for health_path while no worker accepts, how the
// server is.
type announcer struct {
	*server
	m         *Master
	announced bool      // systemd knows that we are ready
	watchdog  time.Time // last sign of life
	metrics   logs.Metrics
	extended  logs.Extended
	started   int64 // Unix time, s
	door      reception.Reception
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
	s.Past = status.Past{Started: a.started, FailedReloads: a.m.reload.failed, Reloads: a.m.reload.history, Ended: a.m.exits.Ended}
	s.Backlog = -1
	if a.gens.Current.Plan != nil {
		set := &a.gens.Current.Plan.Worker
		s.App, s.Room = a.gens.Current.Plan.App, status.Room{Threads: max(set.Threads, 1), Loops: set.Greenlets()}
		if s.Loops {
			s.Threads = set.WorkerConnections
		}
	}
	if a.m.beside.Monitor.On() { // who looks wants to know that this goes on
		s.Beat = a.sys.Monotonic() / int64(time.Second)
		s.Backlog = a.gens.Current.Backlog()
	}
	if served := a.gens.Current.Certificates; served != nil {
		for i := range served.Loaded.Certificates {
			c := &served.Loaded.Certificates[i]
			s.Certificates.Show(i, status.Certificate{Names: strings.Join(c.Names, ", "), File: c.File, Key: c.Key, Until: c.NotAfter.Unix()})
		}
	}
	s.Ready = a.takers()
	if err := a.sys.Publish(s); err != nil {
		a.log.Debugf("%v", err)
	}
}

// takers is how many workers are ready for requests.
func (a *announcer) takers() (n int) {
	for _, c := range a.table.List {
		if c.Counts() && c.State == workers.Ready {
			n++
		}
	}
	return n
}

// measure tells statsd how the server is.
func (a *announcer) measure(now time.Time) {
	g := a.gens.Current
	if g.Stats == nil || a.phase != serving {
		return
	}
	var backlog func() int
	if g.Plan.Own.BacklogMetric {
		backlog = g.Backlog
	}
	a.metrics.Tell(g.Stats, len(a.table.List), backlog, now)
	if g.Plan.Worker.StatsdExtended {
		a.extended.Tell(g.Stats, now)
	}
}

// beside makes the keepers of the processes that this master wants beside it.
func (a *announcer) beside() *beside.Processes {
	return beside.New(beside.Server{
		PID: a.pid, Plan: func() *plan.Plan { return a.gens.Current.Plan },
		Serves: func() bool { // of two masters, during an upgrade, one does
			u := &a.m.upgrade
			return (u.parent == 0 || a.announced) && (u.successor == nil || !u.successor.ready)
		},
		Alone: a.m.upgrade.alone, Now: func() time.Time { return a.sys.Now() }, Log: a.log,
		Monitor: func(order monitor.Order, socket int) (*monitor.Process, error) { return a.sys.Monitor(order, socket) },
		Issuer: func(order acme.Order, socket, file int, say func(acme.News)) (*monitor.Process, error) {
			return a.sys.Issuer(order, socket, file, say)
		},
		Asked: a.shared.Asked, Later: func(f func()) { a.m.calls <- f },
	}, a.opt.Origin.Metrics, a.opt.Origin.Plain)
}

// reception makes what answers health_path in the place of workers.
func (a *announcer) reception() reception.Reception {
	return reception.Reception{Server: reception.Server{
		Wanted: func() (reception.Desk, bool) {
			g := a.gens.Current
			if a.phase != serving || g.Plan == nil || g.Plan.Worker.HealthPath == "" || g.Certificates != nil {
				return reception.Desk{}, false
			}
			desk := reception.Desk{Path: g.Plan.Worker.HealthPath, Sockets: g.Sockets}
			if header := g.Plan.Worker.ServerHeader; header != "off" {
				desk.Server = "Server: " + header + "\r\n"
			}
			return desk, true
		},
		State: func() health.State {
			if a.takers() == 0 {
				return health.Starting
			}
			return health.Serving
		},
		Exchange: func() (int, bool) {
			if a.shared.Board == nil {
				return -1, false
			}
			return a.shared.Exchange[0], true
		},
		Now: func() time.Time { return a.sys.Now() },
	}}
}
