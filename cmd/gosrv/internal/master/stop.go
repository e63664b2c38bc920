package master

import (
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/wsgi/ipc/workerctl"
)

// stopStage is how far a stop is.
type stopStage int

const (
	drainWorkers stopStage = iota // wait for them to go
	runExitHook                   // wait for on_exit
	exitZygotes                   // wait for them to go
)

// stopOrder says how the server is to end.
type stopOrder struct {
	stage    stopStage
	graceful bool
	again    bool      // a second quick order came: no more patience
	deadline time.Time // for the stage; SIGKILL then
	exit     int
	reason   string // Gunicorn's, "" for an ordinary stop
}

// quickAfterTerm is how long workers may take that got INT or QUIT while they
// were stopping gracefully.
const quickAfterTerm = 2 * time.Second

// halt stops because the server cannot go on.
func (m *Master) halt(reason string, code int) {
	if m.phase != stopping {
		m.beginStop(true, code, reason)
	}
}

// beginStop tells all workers to go. Each has graceful_timeout, whether it is
// to finish its work (graceful) or to drop it.
func (m *Master) beginStop(graceful bool, code int, reason string) {
	served := m.phase != starting
	m.phase = stopping
	m.stop = stopOrder{graceful: graceful, exit: code, reason: reason}
	m.announceStop()
	m.cancelRefork()
	m.refuseClients(graceful)
	if !served && len(m.table.List) == 0 {
		m.endZygotes() // nothing was announced: nothing to say
		return
	}
	now := m.sys.Now()
	for _, c := range m.table.List {
		if graceful {
			m.retire(c, now)
		} else {
			m.quit(c, now.Add(m.gens.Of(c.Generation).Grace()))
		}
	}
	m.continueStop(now)
}

// refuseClients closes the master's share of the sockets. In a graceful stop
// the workers serve what waits in the queues, which end with their last holder;
// unless there is another master, whose workers will.
func (m *Master) refuseClients(graceful bool) {
	if graceful && m.alone() {
		if err := m.gens.Current.Sockets.Refuse(); err != nil {
			m.log.Debugf("%v", err) // without it late clients may be reset
		}
	}
	if m.gens.Next != nil {
		m.gens.Next.CloseSockets(m.gens.Current.Sockets)
	}
	m.closeLanes(graceful)
	m.release(&m.gens.Current.Resources, nil)
}

// quit tells a worker to drop everything and go. The signal comes first: one that
// read the message before it could end without the hook worker_int.
func (m *Master) quit(c *workers.Worker, deadline time.Time) {
	c.Departure, c.Deadline = workers.Leaving, deadline
	m.signalWorker(c, unix.SIGQUIT)
	m.instruct(c, workerctl.Quit{})
}

// hurry obeys INT and QUIT during a stop: the first one makes it quick, each
// further one ends it at once.
func (m *Master) hurry() {
	now := m.sys.Now()
	if m.stop.graceful {
		m.stop.graceful = false
		for _, c := range m.table.List {
			m.quit(c, sooner(c.Deadline, now.Add(quickAfterTerm)))
		}
		return
	}
	m.stop.again = true
	m.stop.deadline = now
	for _, c := range m.table.List {
		c.Deadline = now
	}
	for _, z := range m.dismissed {
		z.Deadline = now
	}
}

func sooner(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// continueStop goes from stage to stage as processes go.
func (m *Master) continueStop(now time.Time) {
	switch m.stop.stage {
	case drainWorkers:
		if len(m.table.List) == 0 {
			m.sayGoodbye(now)
		}
	case runExitHook:
		if !now.Before(m.stop.deadline) {
			m.log.Warningf("on_exit takes too long, not waiting for it")
			m.endZygotes()
		}
	case exitZygotes:
		if m.seedGone(now) && len(m.dismissed) == 0 {
			m.shared.Close()
			m.finish(m.stop.exit)
		}
	}
}

func (m *Master) sayGoodbye(now time.Time) {
	say := m.log.Infof
	if m.stop.exit != 0 {
		say = m.log.Errorf
	}
	say("Shutting down: %s", m.name())
	if m.stop.reason != "" {
		say("Reason: %s", m.stop.reason)
	}
	m.stop.stage = runExitHook
	m.stop.deadline = now.Add(max(m.gens.Current.Grace(), zygote.ExitGrace))
	if m.stop.again {
		m.stop.deadline = now
	}
	m.hookThen("on_exit", func(bool) { m.endZygotes() })
}

func (m *Master) endZygotes() {
	m.hookWaited, m.afterHook = "", nil
	if m.pidfile != "" {
		pidfile.Remove(m.pidfile, m.pid)
		m.pidfile = ""
	}
	m.stop.stage = exitZygotes
	m.stop.deadline = m.sys.Now().Add(zygote.ExitGrace)
	m.endSeed()
	for _, g := range m.gens.All() {
		m.dismiss(g.TakeZygote())
	}
	for _, z := range m.retained {
		m.dismiss(z)
	}
	m.retained = nil
	m.continueStop(m.sys.Now())
}
