// Package master supervises: it starts zygotes, has them fork workers, keeps
// their number, obeys signals, and ends everything in order. It never runs
// Python and must stay alive when Python does not.
//
// One goroutine, Run's loop, owns all state. What happens reaches it as an
// event (a signal, a message, a timer, the result of binding); after each event
// step brings the processes closer to what is wanted.
package master

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/beside"
	"gosrv/cmd/gosrv/internal/daemon"
	"gosrv/cmd/gosrv/internal/exits"
	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/reuseport"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/stdlib"
	"gosrv/cmd/gosrv/internal/system"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/upgrade"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/logs/errlog"
)

// Options say what to serve and with what.
type Options struct {
	Version        string
	Argv           []string // sys.argv of the application
	ConfigPath     string   // as the user wrote it; "" for the default one
	ConfigExplicit bool
	Program        string         // a program that makes its own server, "" for none
	Defaults       map[string]any // of all settings, for Program
	Image          system.Image   // what zygotes and workers are started from
	About          string         // both, with where they were found: a debug line
	Interpreter    string         // "Python 3.11 (/srv/venv/bin/python)": for people
	Activated      []listen.Addr  // sockets passed by systemd: they take the place of bind
	// Resolve merges what the config file said with everything else. Its error
	// is shown as it is; one with an ExitCode method chooses the exit code.
	Resolve func(zygotectl.ConfigLoaded) (*plan.Plan, error)
	// Title shows a process title.
	Title    func(string)
	Origin   upgrade.Origin  // set if another master started this one
	Start    upgrade.Start   // how this one was started, for upgrade and daemon
	Detached bool            // the daemon setting is obeyed already
	Manager  systemd.Manager // who wants to know how we are
	Stdlib   stdlib.Cache    // what earlier starts have learnt of applications
}

// phase is what the master as a whole is doing.
type phase int

const (
	starting phase = iota // nothing is served yet
	serving
	stopping
)

// tick is the longest the loop sleeps: time-outs are looked at this often, as
// in Gunicorn.
const tick = time.Second

// server is the state that all parts of the master look at. What only one of them
// cares for is that part's own.
type server struct {
	opt    Options
	sys    system.System
	log    *errlog.Logger
	lines  logs.Routing // of log
	pid    int
	dir    string // where it was started
	phase  phase
	gens   generation.Generations
	table  workers.Table
	shared generation.Shared
}

// Master is the supervising process: its loop, and the parts between which it
// hands out what happens.
type Master struct {
	*server

	first    firstStart
	reload   reload
	stop     stop
	upgrade  succession
	zygotes  zygotes
	seeds    seeds
	refork   refork
	workers  pool
	ports    reuseport.Sockets
	exits    exits.Exits
	timeouts timeouts
	hooks    hooks
	announce announcer
	beside   *beside.Processes

	rested   int             // generation after whose start memory was given back
	calls    chan func()     // results of work done elsewhere
	arrivals <-chan struct{} // something can be read
	finished bool
	exit     int
}

// New prepares a master; nothing is started before Run.
func New(o Options) (*Master, error) {
	watch, err := zygotectl.NewWatch()
	if err != nil {
		return nil, err
	}
	l, err := system.NewLauncher(o.Image, watch)
	if err != nil {
		return nil, err
	}
	shown, err := status.NewBoard()
	if err != nil {
		return nil, err
	}
	m := newMaster(o)
	m.dir, m.sys = l.Dir, system.New(l)
	m.sys.Bind, m.sys.Replace, m.sys.Tell, m.sys.Publish = m.first.bindApart, m.upgrade.replaceApart, o.Manager.Tell, shown.Publish
	m.sys.Detach = func(keepOutput bool) error {
		return daemon.Detach(o.Start.Argv, o.Start.Dir, o.Start.Environ, keepOutput)
	}
	m.arrivals = watch.Arrivals()
	return m, nil
}

func newMaster(o Options) *Master {
	log := errlog.New(2, "info")
	s := &server{opt: o, pid: os.Getpid(), log: log, lines: logs.Routing{Log: log}}
	m := &Master{server: s, calls: make(chan func())}
	m.first = firstStart{server: s, m: m}
	m.reload = reload{server: s, m: m}
	m.stop = stop{server: s, m: m}
	m.upgrade = succession{server: s, m: m, parent: o.Origin.Parent}
	m.zygotes = zygotes{server: s, m: m}
	m.seeds = seeds{server: s, m: m}
	m.refork = refork{server: s, m: m}
	m.workers = pool{server: s, m: m, earlyExits: map[int]unix.WaitStatus{}}
	m.ports = reuseport.Sockets{Server: reuseport.Server{
		Generations: &s.gens, Table: &s.table, Log: log, Alone: m.upgrade.alone, Tell: m.workers.instruct,
	}}
	m.zygotes.stdlib = stdlib.Sharing{Server: stdlib.Server{
		Generations: &s.gens, Log: log, Cache: o.Stdlib, Tell: m.zygotes.tell, Alone: m.seeds.end, Dismiss: m.zygotes.dismiss,
		Renew: m.zygotes.renew,
	}}
	m.exits = exits.New(log, func() (int, string, bool) { return s.sys.OOMKills() })
	m.timeouts = timeouts{server: s, m: m}
	m.hooks = hooks{server: s, m: m}
	m.announce = announcer{server: s, m: m, started: time.Now().Unix()}
	m.beside = m.announce.beside()
	m.announce.door = m.announce.reception()
	s.shared.Tickets.Restore(o.Origin.Tickets)
	return m
}

// Run serves until a signal or a failure ends it and gives the exit code.
func (m *Master) Run() int {
	// Workers are grandchildren (the zygote forks twice): as subreaper their
	// parent is this process, as it is with Gunicorn.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintf(os.Stderr, "gosrv: error: becoming the workers' parent: %v\n", err)
		return 1
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1,
		unix.SIGUSR2, unix.SIGWINCH, unix.SIGTTIN, unix.SIGTTOU)
	deaths := make(chan os.Signal, 1) // apart: a burst must not push orders out
	signal.Notify(deaths, unix.SIGCHLD)
	m.begin()
	for timer := time.NewTimer(tick); ; timer.Reset(m.pause()) {
		select {
		case s := <-signals:
			m.signal(s.(unix.Signal))
		case <-deaths:
		case <-m.arrivals:
		case f := <-m.calls:
			f()
		case <-timer.C:
		}
		m.readAll() // before reaping: last words belong before the death
		m.reapAll()
		m.step()
		m.announce.publish()
		if m.finished {
			return m.exit
		}
	}
}

// begin starts the first generation.
func (m *Master) begin() {
	m.gens.Current = m.gens.Begin()
	m.zygotes.start(m.gens.Current)
}

// step does what the state and the clock ask for.
func (m *Master) step() {
	now := m.sys.Now()
	m.upgrade.promote()
	m.announce.signOfLife(now)
	m.timeouts.showStuck(now)
	switch m.phase {
	case serving:
		m.zygotes.restart(m.gens.Current, now)
		m.timeouts.check(now)
		m.exits.Look(now, tick)
		m.refork.tend(now)
		m.workers.balance(m.gens.Current, now)
		if m.gens.Next != nil {
			m.workers.balance(m.gens.Next, now)
			m.reload.complete()
		}
		m.ports.Tend(now)
		m.workers.renewCertificates(now)
		m.rest(now)
	case stopping:
		m.stop.proceed(now)
	}
	m.reload.tell(now)
	m.workers.killOverdue(now)
	if m.phase != starting {
		m.beside.Tend()
	}
	m.announce.measure(now)
	m.announce.door.Look()
}

// pause is how long the loop may sleep, which begins now.
func (m *Master) pause() time.Duration {
	now := m.sys.Now()
	wait := tick
	sooner := func(t time.Time) {
		if d := t.Sub(now); !t.IsZero() && d < wait {
			wait = max(d, 0)
		}
	}
	for _, g := range m.gens.All() {
		if m.phase != serving {
			continue
		}
		if !g.Boots.Open(now) {
			sooner(g.Boots.Until)
		}
		if g.Zygote == nil && !g.Asleep {
			sooner(g.Restarts.Until)
		}
	}
	for _, c := range m.table.List {
		if c.Force != workers.Killed {
			sooner(c.Deadline)
		}
	}
	for _, z := range m.zygotes.dismissed {
		if z.State < zygote.Killed {
			sooner(z.Deadline)
		}
	}
	sooner(m.ports.Due())
	sooner(m.announce.door.Due())
	if m.reload.outcome != nil {
		sooner(m.reload.outcome.until)
	}
	if every := m.opt.Manager.Watchdog; every > 0 {
		sooner(m.announce.watchdog.Add(every / 2))
	}
	if m.phase == stopping && (m.stop.order.stage == runExitHook || m.stop.order.stage == exitZygotes && m.seeds.seed != nil) {
		sooner(m.stop.order.deadline)
	}
	m.timeouts.due = now.Add(wait)
	return wait
}

// finish ends the loop.
func (m *Master) finish(code int) {
	m.finished, m.exit = true, code
	m.beside.End()
	m.announce.door.Empty()
	m.gens.Current.Route.Close()
}

// release closes the sockets that kept does not have. The path of a unix
// socket is not ours to remove while another master serves there.
func (m *Master) release(r *generation.Resources, kept listen.Set) {
	if m.upgrade.alone() {
		r.CloseSockets(kept)
	} else {
		r.LeaveSockets(kept)
	}
}

// rest gives back what a start or a reload has left in memory, when all workers of
// the generation serve: the master's own once, a zygote that nobody needs whenever there is one.
func (m *Master) rest(now time.Time) {
	g := m.gens.Current
	if m.gens.Next != nil || g.Workers == 0 || m.table.Serving(g.Number) < g.Workers {
		return
	}
	if m.rested != g.Number {
		m.rested = g.Number
		m.sys.GiveBack()
	}
	m.zygotes.stdlib.Rest(g, now, m.table.LastSpawn())
}

// readAll reads every channel until nothing is left.
func (m *Master) readAll() {
	for _, g := range m.gens.All() {
		m.zygotes.read(g)
	}
	m.seeds.read()
	m.refork.read()
	for _, c := range append([]*workers.Worker(nil), m.table.List...) {
		m.workers.read(c)
	}
}

// readUnnamed reads what processes say of whom only the channel is known: one that has told its
// process id since readAll, and has ended since, is among the dead by now.
func (m *Master) readUnnamed() {
	if s := m.seeds.seed; s != nil && s.PID == 0 {
		m.seeds.read()
	}
	if z := m.refork.attempt.pending; z != nil && z.PID == 0 {
		m.refork.read()
	}
}

// reapAll collects every process that has ended.
func (m *Master) reapAll() {
	for {
		pid, status, ok := m.sys.Reap()
		if !ok {
			break
		}
		m.died(pid, status)
	}
	if !m.table.Spawning() {
		clear(m.workers.earlyExits) // what is left are orphans of the application, or pid 1's
	}
}

func (m *Master) died(pid int, status unix.WaitStatus) {
	m.readUnnamed()
	if z := m.zygotes.dismissed.Take(pid); z != nil {
		_ = z.Channel.Close()
		return
	}
	if m.seeds.died(pid, status) || m.refork.died(pid, status) || m.zygotes.retainedDied(pid, status) || m.upgrade.successorDied(pid, status) || m.beside.Died(pid, status) {
		return
	}
	for _, g := range m.gens.All() {
		if g.Zygote != nil && g.Zygote.PID == pid {
			m.zygotes.read(g) // its last words; they may have dismissed it
			if g.Zygote != nil {
				m.zygotes.died(g, status)
			} else {
				m.died(pid, status)
			}
			return
		}
	}
	c := m.table.ByPID(pid)
	if c == nil {
		m.workers.earlyExits[pid] = status
		return
	}
	m.workers.read(c)
	m.workers.died(c, status)
}
