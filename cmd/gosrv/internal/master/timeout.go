package master

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
)

const (
	// watchdogGrace is how much later than a worker's own watchdog the master
	// finds a request that takes too long. That one knows more about it; if it
	// has not done its work by then, the whole process stands still.
	watchdogGrace = 2 * tick
	// catchUp is how late the loop may come. Beyond that the process has stood
	// still (SIGSTOP, a frozen container), and the workers most likely with it.
	catchUp = 250 * time.Millisecond
)

// checkTimeouts looks once a tick for workers that exceed the timeout setting:
// the boot of any, and requests in class sync whose worker is silent.
func (m *Master) checkTimeouts(now time.Time) {
	if now.Sub(m.ticked) < tick {
		return
	}
	m.ticked = now
	if m.stoodStill(now) {
		return
	}
	mono := m.sys.Monotonic()
	m.checkSpawns(now)
	for _, c := range m.table.List {
		if c.PID == 0 || c.Force != workers.NoForce {
			continue
		}
		what, over := m.overTime(c, now, mono)
		switch {
		case !over:
		case c.State == workers.Booting && c.Report != workers.BootReported:
			// A tick before the end, so that the stacks are written by then.
			m.explain(c.PID, fmt.Sprintf("WORKER TIMEOUT (pid:%d)%s", c.PID, what))
			c.Report = workers.BootReported
		default:
			if c.Report != workers.BootReported {
				m.log.Criticalf("WORKER TIMEOUT (pid:%d)%s", c.PID, what)
			}
			m.abort(c, now)
		}
	}
}

// stoodStill tells whether the loop comes later than it wanted to, so that what
// it would measure is not the workers' time: they get a tick to go on. A look is
// put off for that once, never twice in a row.
func (m *Master) stoodStill(now time.Time) bool {
	m.spared = !m.spared && !m.due.IsZero() && now.Sub(m.due) > catchUp
	return m.spared
}

// workerTimedOut ends a worker that is stuck in the application, as it says
// itself. Its successor need not wait for that.
func (m *Master) workerTimedOut(c *workers.Worker) {
	c.Report = workers.LossReported
	c.StopCounting()
	if c.Force == workers.NoForce {
		m.abort(c, m.sys.Now())
	}
}

// abort ends a worker: SIGABRT first, so that it can run its hook, SIGKILL a
// tick later.
func (m *Master) abort(c *workers.Worker, now time.Time) {
	c.Force = workers.Aborted
	c.Deadline = sooner(c.Deadline, now.Add(tick))
	m.signalWorker(c, unix.SIGABRT)
}

// explain logs what a process is late with and makes it write its Python stacks
// behind that line: it does so at once, in several pieces.
func (m *Master) explain(pid int, line string) {
	if !m.sys.HasStacks(pid) {
		m.log.Criticalf("%s; there is no Python stack", line)
		return
	}
	m.log.Criticalf("%s; its Python stacks follow", line)
	m.sys.AskStacks(pid)
}

// checkSpawns ends a zygote that obeys no order to spawn for as long as a
// worker may take to boot: another one takes its place.
func (m *Master) checkSpawns(now time.Time) {
	for _, c := range m.table.List {
		g := m.gens.Of(c.Generation)
		limit := time.Duration(g.Plan.Worker.Timeout) * time.Second
		if c.State != workers.Spawning || limit == 0 || now.Sub(c.Spawned) <= limit || !g.Up() || c.Generation != g.Number {
			continue
		}
		if g.Zygote.ReportLate() {
			m.lines.StopRelaying(g.Zygote) // it logs nothing now
			m.explain(g.Zygote.PID, fmt.Sprintf("ZYGOTE TIMEOUT (pid:%d): no worker after %.0fs", g.Zygote.PID, now.Sub(c.Spawned).Seconds()))
			return // killed at the next look
		}
		g.Zygote.State = zygote.Killed
		_ = m.sys.Kill(g.Zygote.PID, unix.SIGKILL)
	}
}

// overTime tells whether a worker exceeds its time, and with what.
func (m *Master) overTime(c *workers.Worker, now time.Time, mono int64) (string, bool) {
	g := m.gens.Of(c.Generation)
	limit := time.Duration(g.Plan.Worker.Timeout) * time.Second
	if limit == 0 {
		return "", false
	}
	if c.State == workers.Booting {
		took := now.Sub(c.Spawned)
		return fmt.Sprintf(": not ready after %.0fs", took.Seconds()), took > limit
	}
	if g.Plan.Worker.WorkerClass != "sync" || c.ReadyAt.IsZero() {
		return "", false
	}
	s := m.shared.Board.Snapshot(c.Slot)
	if s.Start == 0 || s.Waived {
		return "", false
	}
	took := time.Duration(mono - s.Start)
	return fmt.Sprintf(": %s %s, running for %.0fs, and the worker does not react", printable(s.Method), printable(s.Path), took.Seconds()), took > limit+watchdogGrace
}

// showStuck logs where a zygote is that does not answer for so long. It goes
// on: an import may take its time.
func (m *Master) showStuck(now time.Time) {
	for _, g := range m.gens.All() {
		if t := g.Stuck(now); t != nil && !t.Reported {
			t.Reported = true
			m.lines.StopRelaying(g.Zygote) // it logs nothing now
			m.explain(g.Zygote.PID, fmt.Sprintf("ZYGOTE TIMEOUT (pid:%d): %s takes more than %.0fs", g.Zygote.PID, t.Name, now.Sub(t.Since).Truncate(time.Second).Seconds()))
		}
	}
}

// giveUp lets HUP get through to a generation whose zygote is stuck: in a
// reload that one is given up, at the first start it begins again.
func (m *Master) giveUp(now time.Time) {
	g := m.gens.Next
	if m.phase == starting {
		g = m.gens.Current
	}
	if g == nil {
		return
	}
	t := g.Stuck(now)
	if t == nil {
		return
	}
	text := fmt.Sprintf("Zygote (pid:%d) is given up: %s takes too long, and there is another HUP", g.Zygote.PID, t.Name)
	if g == m.gens.Next {
		m.abortReload(text) // and begins the next one
		return
	}
	m.log.Warningf("%s", text)
	m.reloadAgain = g.Plan != nil // the new zygote goes by the settings of the first
	m.dismiss(g.TakeZygote())
	m.startZygote(g)
}

// printable shows what a client sent without letting it write control
// characters to the log.
func printable(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}
