package master

import (
	"time"

	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/zygote"
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

// stop ends the server.
type stop struct {
	*server
	m     *Master
	order stopOrder // counts while stopping
}

// quickAfterTerm is how long workers may take that got INT or QUIT while they
// were stopping gracefully.
const quickAfterTerm = 2 * time.Second

// halt stops because the server cannot go on.
func (s *stop) halt(reason string, code int) {
	if s.phase != stopping {
		s.begin(true, code, reason)
	}
}

// begin tells all workers to go. Each has graceful_timeout, whether it is
// to finish its work (graceful) or to drop it.
func (s *stop) begin(graceful bool, code int, reason string) {
	served := s.phase != starting
	s.phase = stopping
	s.order = stopOrder{graceful: graceful, exit: code, reason: reason}
	s.m.announce.stopping()
	s.m.refork.cancel()
	s.refuseClients(graceful)
	if !served && len(s.table.List) == 0 {
		s.endZygotes() // nothing was announced: nothing to say
		return
	}
	now := s.sys.Now()
	for _, c := range s.table.List {
		if graceful {
			s.m.workers.retire(c, now)
		} else {
			s.m.workers.quit(c, now.Add(s.gens.Of(c.Generation).Grace()))
		}
	}
	s.proceed(now)
}

// refuseClients closes the master's share of the sockets. In a graceful stop
// the workers serve what waits in the queues, which end with their last holder;
// unless there is another master, whose workers will.
func (s *stop) refuseClients(graceful bool) {
	if graceful && s.m.upgrade.alone() {
		if err := s.gens.Current.Sockets.Refuse(); err != nil {
			s.log.Debugf("%v", err) // without it late clients may be reset
		}
	}
	if s.gens.Next != nil {
		s.gens.Next.CloseSockets(s.gens.Current.Sockets)
	}
	s.m.ports.Close(graceful)
	s.m.release(&s.gens.Current.Resources, nil)
}

// hurry obeys INT and QUIT during a stop: the first one makes it quick, each
// further one ends it at once.
func (s *stop) hurry() {
	now := s.sys.Now()
	if s.order.graceful {
		s.order.graceful = false
		for _, c := range s.table.List {
			s.m.workers.quit(c, sooner(c.Deadline, now.Add(quickAfterTerm)))
		}
		return
	}
	s.order.again = true
	s.order.deadline = now
	for _, c := range s.table.List {
		c.Deadline = now
	}
	for _, z := range s.m.zygotes.dismissed {
		z.Deadline = now
	}
}

func sooner(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// proceed goes from stage to stage as processes go.
func (s *stop) proceed(now time.Time) {
	switch s.order.stage {
	case drainWorkers:
		if len(s.table.List) == 0 {
			s.sayGoodbye(now)
		}
	case runExitHook:
		if !now.Before(s.order.deadline) {
			s.log.Warningf("on_exit takes too long, not waiting for it")
			s.endZygotes()
		}
	case exitZygotes:
		if s.m.seeds.gone(now) && len(s.m.zygotes.dismissed) == 0 {
			s.shared.Close()
			s.m.finish(s.order.exit)
		}
	}
}

func (s *stop) sayGoodbye(now time.Time) {
	say := s.log.Infof
	if s.order.exit != 0 {
		say = s.log.Errorf
	}
	say("Shutting down: %s", s.m.upgrade.name())
	if s.order.reason != "" {
		say("Reason: %s", s.order.reason)
	}
	s.order.stage = runExitHook
	s.order.deadline = now.Add(max(s.gens.Current.Grace(), zygote.ExitGrace))
	if s.order.again {
		s.order.deadline = now
	}
	s.m.hooks.then("on_exit", func(bool) { s.endZygotes() })
}

func (s *stop) endZygotes() {
	s.m.hooks.waited, s.m.hooks.after = "", nil
	if s.m.upgrade.pidfile != "" {
		pidfile.Remove(s.m.upgrade.pidfile, s.pid)
		s.m.upgrade.pidfile = ""
	}
	s.order.stage = exitZygotes
	s.order.deadline = s.sys.Now().Add(zygote.ExitGrace)
	s.m.seeds.end()
	for _, g := range s.gens.All() {
		s.m.zygotes.dismiss(g.TakeZygote())
	}
	for _, z := range s.m.zygotes.retained {
		s.m.zygotes.dismiss(z)
	}
	s.m.zygotes.retained = nil
	s.proceed(s.sys.Now())
}
