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

	"gosrv/cmd/gosrv/internal/daemon"
	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/status"
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

// Master is the supervising process.
type Master struct {
	opt Options
	sys system.System
	log *errlog.Logger
	pid int
	dir string // where it was started

	phase       phase
	gens        generation.Generations
	outcome     *outcome        // of a reload, not told yet, else nil
	seed        *zygote.Process // for the next reload's zygote, nil if there is none
	reloadAgain bool            // a HUP came while one was being obeyed
	table       workers.Table
	oom         oom
	tally       workers.Tally
	lanes       lanes
	refork      refork
	dismissed   zygote.List             // told to exit, not reaped yet
	retained    zygote.List             // no longer needed to fork, but hooks left something in them
	earlyExits  map[int]unix.WaitStatus // reaped before WorkerSpawned was read
	stop        stopOrder               // counts while stopping
	hookWaited  string                  // the loop goes on after this hook
	afterHook   func(failed bool)       // what it does then
	calls       chan func()             // results of work done elsewhere
	ticked      time.Time               // last look at the time-outs
	due         time.Time               // the loop runs again then at the latest
	spared      bool                    // the last look at the time-outs was put off
	looked      time.Time               // last look at the cgroup
	rested      int                     // generation after whose start memory was given back
	arrivals    <-chan struct{}         // something can be read

	parent    int        // the master this one is to replace, while that lives
	successor *successor // the master that is to replace this one, while it lives

	noticed      string    // the last warning that workers had in common
	announced    bool      // systemd knows that we are ready
	watchdog     time.Time // last sign of life
	hups         int       // received
	hupsAnswered int       // by reloads that have come to an end
	reloadError  string    // of the last reload
	upgrades     upgrades  // how they went

	shared  generation.Shared
	pidfile string // "" until written

	lines   logs.Routing
	metrics logs.Metrics

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
	m.sys.Bind, m.sys.Replace, m.sys.Tell, m.sys.Publish = m.bindApart, m.replaceApart, o.Manager.Tell, shown.Publish
	m.sys.Detach = func(keepOutput bool) error {
		return daemon.Detach(o.Start.Argv, o.Start.Dir, o.Start.Environ, keepOutput)
	}
	m.arrivals = watch.Arrivals()
	return m, nil
}

func newMaster(o Options) *Master {
	log := errlog.New(2, "info")
	return &Master{
		opt: o, pid: os.Getpid(), parent: o.Origin.Parent, log: log, lines: logs.Routing{Log: log},
		earlyExits: map[int]unix.WaitStatus{}, calls: make(chan func()),
	}
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
		m.publish()
		if m.finished {
			return m.exit
		}
	}
}

// begin starts the first generation.
func (m *Master) begin() {
	m.gens.Current = m.gens.Begin()
	m.startZygote(m.gens.Current)
}

// step does what the state and the clock ask for.
func (m *Master) step() {
	now := m.sys.Now()
	m.promote()
	m.signOfLife(now)
	m.showStuck(now)
	switch m.phase {
	case serving:
		m.restartZygote(m.gens.Current, now)
		m.checkTimeouts(now)
		if now.Sub(m.looked) >= tick {
			m.looked = now
			m.lookForKills(now)
			m.sayTally(now)
		}
		m.tendRefork(now)
		m.balance(m.gens.Current, now)
		if m.gens.Next != nil {
			m.balance(m.gens.Next, now)
			m.completeReload()
		}
		m.tendLanes(now)
		m.rest()
	case stopping:
		m.continueStop(now)
	}
	m.tellReload(now)
	m.killOverdue(now)
	m.measure(now)
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
		if g.Zygote == nil {
			sooner(g.Restarts.Until)
		}
	}
	for _, c := range m.table.List {
		if c.Force != workers.Killed {
			sooner(c.Deadline)
		}
	}
	for _, z := range m.dismissed {
		if z.State < zygote.Killed {
			sooner(z.Deadline)
		}
	}
	sooner(m.laneTime())
	if m.outcome != nil {
		sooner(m.outcome.until)
	}
	if every := m.opt.Manager.Watchdog; every > 0 {
		sooner(m.watchdog.Add(every / 2))
	}
	if m.phase == stopping && (m.stop.stage == runExitHook || m.stop.stage == exitZygotes && m.seed != nil) {
		sooner(m.stop.deadline)
	}
	m.due = now.Add(wait)
	return wait
}

// finish ends the loop.
func (m *Master) finish(code int) {
	m.finished, m.exit = true, code
	m.gens.Current.Flush()
}

// measure tells statsd how the server is.
func (m *Master) measure(now time.Time) {
	g := m.gens.Current
	if g.Stats == nil || m.phase != serving {
		return
	}
	var backlog func() int
	if g.Plan.Own.BacklogMetric {
		backlog = g.Backlog
	}
	m.metrics.Tell(g.Stats, len(m.table.List), backlog, now)
}

// release closes the sockets that kept does not have. The path of a unix
// socket is not ours to remove while another master serves there.
func (m *Master) release(r *generation.Resources, kept listen.Set) {
	if m.alone() {
		r.CloseSockets(kept)
	} else {
		r.LeaveSockets(kept)
	}
}
