package master

import (
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

const (
	// quietTime bounds the wait for the word of workers on their way out that they
	// accept nothing more: one that is stopped will not say it.
	quietTime = time.Second
	// engaged is how long a request must have run for its worker not to be waited
	// for: well above the time after which a worker reads its orders first.
	engaged = 100 * time.Millisecond
)

// outcome is what came of a reload and is not told yet.
type outcome struct {
	hups    int    // that it answers
	failure string // "" for success
	until   time.Time
}

// A reload brings up a second generation beside the first:
//
//	reload          next = new generation, its zygote evaluates the config file
//	loadedNext      its sockets are bound; on_reload
//	  balance       its workers are forked and import the application
//	completeReload  all are ready: current = next, the old ones are retired
//	abortReload     at any point before: next is ended, current serves on
//	tellReload      none of those who leave accepts connections any more

// reload obeys HUP.
func (m *Master) reload() {
	if m.phase == starting || m.gens.Next != nil || m.outcome != nil {
		m.reloadAgain = true // the newest code counts: once more when this is done
		m.giveUp(m.sys.Now())
		return
	}
	m.log.Infof("Hang up: %s", m.name())
	m.tellManager(systemd.Reloading(m.sys.Monotonic())...)
	m.gens.Next = m.gens.Begin()
	m.gens.Next.HUPs = m.hups
	if m.takeSeed(m.gens.Next) {
		m.orderConfig(m.gens.Next)
		return
	}
	m.startZygote(m.gens.Next)
}

// loadedNext goes on when config file (and application, if preloaded) of the
// new generation are loaded.
func (m *Master) loadedNext() {
	next := m.gens.Next
	m.notify(next.Plan)
	if m.opt.Activated != nil || slices.Equal(m.gens.Current.Plan.Addrs, next.Plan.Addrs) {
		next.Sockets = m.gens.Current.Sockets
		m.runReloadHooks()
		return
	}
	next.Zygote.Hold() // no workers before they have sockets
	m.sys.Bind(next.Plan.Addrs, next.Plan.SocketOptions(), m.gens.Current.Sockets, func(set listen.Set, err error) {
		next.Sockets = set
		if m.gens.Next != next || next.Zygote == nil || m.phase != serving {
			next.CloseSockets(m.gens.Current.Sockets)
			return
		}
		if err != nil {
			m.hint(err)
			m.abortReload(err.Error())
			return
		}
		m.log.Infof("Listening at: %s (%d)", next.URLs(), m.pid)
		next.Zygote.Release()
		m.runReloadHooks()
	})
}

// runReloadHooks runs them in Gunicorn's order, the first one even if the
// number stays the same.
func (m *Master) runReloadHooks() {
	m.hook("nworkers_changed", m.gens.Next.Workers, m.gens.Current.Workers)
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
func (m *Master) wanted(g *generation.Generation) int {
	next := m.gens.Next
	if next == nil || next.Plan == nil || !next.Plan.Own.OneByOne {
		return g.Workers
	}
	fresh := len(next.Established)
	switch {
	case g == m.gens.Current:
		return max(0, g.Workers-fresh)
	case m.table.Leaving(m.gens.Current.Number):
		return min(g.Workers, fresh)
	}
	return min(g.Workers, fresh+1)
}

// completeReload hands over once every place of the new generation has had a
// worker that was ready, and one serves now. Those that a request has killed
// since are being replaced: waiting for all at the same time might never end.
func (m *Master) completeReload() {
	next := m.gens.Next
	if next == nil || !next.Up() || len(next.Established) < next.Workers || m.table.Serving(next.Number) < min(1, next.Workers) {
		return
	}
	old := m.gens.Current
	m.gens.Next, m.gens.Current = nil, next
	now := m.sys.Now()
	for _, c := range m.table.Except(next.Number) { // first: they answer with the old code until they read it
		m.retire(c, now)
	}
	m.retireZygote(old.TakeZygote(), old.Number)
	m.release(&old.Resources, next.Sockets)
	m.lines.Follow(&next.Outlets, next.Plan.Worker.LogLevel)
	m.lines.RelayThrough(next.Zygote)
	old.Close()
	m.movePidfile(m.pidfilePath(next.Plan))
	m.showTitle()
	m.log.Infof("Generation %d serves", next.Number)
	m.reloaded(next, "")
}

// abortReload ends the new generation; the old one never stopped serving.
func (m *Master) abortReload(text string) {
	next := m.gens.Next
	if next == nil {
		return
	}
	m.log.Errorf("%s\nReload failed: generation %d serves on with the old code and settings", text, m.gens.Current.Number)
	m.dismiss(next.TakeZygote())
	now := m.sys.Now()
	for _, c := range m.table.Of(next.Number) {
		m.retire(c, now)
	}
	next.CloseSockets(m.gens.Current.Sockets)
	next.Close()
	m.gens.Next = nil
	m.reloaded(next, text)
}

// reloaded notes the outcome of a reload; failure is "" for success.
func (m *Master) reloaded(g *generation.Generation, failure string) {
	m.outcome = &outcome{hups: g.HUPs, failure: failure, until: m.sys.Now().Add(quietTime)}
}

// tellReload tells what came of a reload once whoever connects now will meet
// no worker of another generation.
func (m *Master) tellReload(now time.Time) {
	o := m.outcome
	if o == nil || m.phase == serving && now.Before(o.until) && slices.ContainsFunc(m.table.List, m.mayAccept) {
		return
	}
	m.outcome = nil
	m.hupsAnswered, m.reloadError = o.hups, o.failure
	m.announceServing()
	m.reloadOnceMore()
}

// mayAccept tells whether a worker that was told to leave with its generation
// may still take a connection. One that has yet to begin, or one thread that is
// inside the application, reads its orders before it does.
func (m *Master) mayAccept(c *workers.Worker) bool {
	if c.Generation == m.gens.Current.Number || c.State == workers.Finishing || c.Force == workers.Killed || c.Channel == nil {
		return false
	}
	s := m.shared.Board.Snapshot(c.Slot)
	if s.State < scoreboard.Idle {
		return false
	}
	return !c.OneThread || s.Start == 0 || time.Duration(m.sys.Monotonic()-s.Start) < engaged
}

// workerDraining notes that a worker accepts nothing more. Where it leaves
// connections in a queue the others look: it alone may have been woken for them.
func (m *Master) workerDraining(c *workers.Worker, queue bool) {
	c.State = workers.Finishing
	if queue {
		m.lookAtQueues()
	}
}

// lookAtQueues has the workers look into the accept queues: the kernel wakes one
// for a connection, and that one has gone.
func (m *Master) lookAtQueues() {
	for _, c := range m.table.List {
		if c.Serves() {
			m.instruct(c, workerctl.Look{})
		}
	}
}

// reloadOnceMore obeys a HUP that came during the reload.
func (m *Master) reloadOnceMore() {
	if m.reloadAgain && m.phase == serving {
		m.reloadAgain = false
		m.reload()
	}
}
