package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/wsgi/logs/errlog"
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

// timeouts looks after workers and zygotes that take too long.
type timeouts struct {
	*server
	m      *Master
	ticked time.Time // last look
	due    time.Time // the loop runs again then at the latest
	spared bool      // the last look was put off
}

// check looks once a tick for workers that exceed the timeout setting:
// the boot of any, and requests in class sync whose worker is silent.
func (ts *timeouts) check(now time.Time) {
	if now.Sub(ts.ticked) < tick {
		return
	}
	ts.ticked = now
	if ts.stoodStill(now) {
		return
	}
	mono := ts.sys.Monotonic()
	ts.checkSpawns(now)
	for _, c := range ts.table.List {
		if c.PID == 0 || c.Force != workers.NoForce {
			continue
		}
		what, over := ts.overTime(c, now, mono)
		switch {
		case !over:
		case c.State == workers.Booting && c.Report != workers.BootReported:
			// A tick before the end, so that the stacks are written by then.
			ts.explain(c.PID, fmt.Sprintf("WORKER TIMEOUT (pid:%d)%s", c.PID, what))
			c.Report = workers.BootReported
		default:
			if c.Report != workers.BootReported {
				ts.log.Criticalf("WORKER TIMEOUT (pid:%d)%s", c.PID, what)
			}
			ts.abort(c, now)
		}
	}
}

// stoodStill tells whether the loop comes later than it wanted to, so that what
// it would measure is not the workers' time: they get a tick to go on. A look is
// put off for that once, never twice in a row.
func (ts *timeouts) stoodStill(now time.Time) bool {
	ts.spared = !ts.spared && !ts.due.IsZero() && now.Sub(ts.due) > catchUp
	return ts.spared
}

// reported ends a worker that is stuck in the application, as it says
// itself. Its successor need not wait for that.
func (ts *timeouts) reported(c *workers.Worker) {
	c.Report = workers.LossReported
	c.StopCounting()
	if c.Force == workers.NoForce {
		ts.abort(c, ts.sys.Now())
	}
}

// abort ends a worker: SIGABRT first, so that it can run its hook, SIGKILL a
// tick later.
func (ts *timeouts) abort(c *workers.Worker, now time.Time) {
	c.Force = workers.Aborted
	c.Deadline = sooner(c.Deadline, now.Add(tick))
	ts.m.workers.signal(c, unix.SIGABRT)
}

// explain logs what a process is late with and makes it write its Python stacks
// behind that line: it does so at once, in several pieces.
func (ts *timeouts) explain(pid int, line string) {
	if !ts.sys.HasStacks(pid) {
		ts.log.Criticalf("%s; there is no Python stack", line)
		return
	}
	ts.log.Criticalf("%s; its Python stacks follow", line)
	ts.sys.AskStacks(pid)
}

// checkSpawns ends a zygote that obeys no order to spawn for as long as a
// worker may take to boot: another one takes its place.
func (ts *timeouts) checkSpawns(now time.Time) {
	for _, c := range ts.table.List {
		g := ts.gens.Of(c.Generation)
		limit := time.Duration(g.Plan.Worker.Timeout) * time.Second
		if c.State != workers.Spawning || limit == 0 || now.Sub(c.Spawned) <= limit || !g.Up() || c.Generation != g.Number {
			continue
		}
		if g.Zygote.ReportLate() {
			ts.lines.StopRelaying(g.Zygote) // it logs nothing now
			ts.explain(g.Zygote.PID, fmt.Sprintf("ZYGOTE TIMEOUT (pid:%d): no worker after %.0fs", g.Zygote.PID, now.Sub(c.Spawned).Seconds()))
			return // killed at the next look
		}
		g.Zygote.State = zygote.Killed
		_ = ts.sys.Kill(g.Zygote.PID, unix.SIGKILL)
	}
}

// overTime tells whether a worker exceeds its time, and with what.
func (ts *timeouts) overTime(c *workers.Worker, now time.Time, mono int64) (string, bool) {
	g := ts.gens.Of(c.Generation)
	limit := time.Duration(g.Plan.Worker.Timeout) * time.Second
	if limit == 0 {
		return "", false
	}
	if c.State == workers.Booting {
		since := c.Spawned
		if c.Notified.After(since) {
			since = c.Notified
		}
		return fmt.Sprintf(": not ready after %.0fs", now.Sub(c.Spawned).Seconds()), now.Sub(since) > limit
	}
	if g.Plan.Worker.WorkerClass != "sync" || c.ReadyAt.IsZero() {
		return "", false
	}
	s := ts.shared.Board.Snapshot(c.Slot)
	if s.Start == 0 || s.Waived {
		return "", false
	}
	took := time.Duration(mono - s.Start)
	return fmt.Sprintf(": %s %s, running for %.0fs, and the worker does not react", errlog.Printable(s.Method), errlog.Printable(s.Path), took.Seconds()), took > limit+watchdogGrace
}

// showStuck logs where a zygote is that does not answer for so long. It goes
// on: an import may take its time.
func (ts *timeouts) showStuck(now time.Time) {
	for _, g := range ts.gens.All() {
		if t := g.Stuck(now); t != nil && !t.Reported {
			t.Reported = true
			ts.lines.StopRelaying(g.Zygote) // it logs nothing now
			ts.explain(g.Zygote.PID, fmt.Sprintf("ZYGOTE TIMEOUT (pid:%d): %s takes more than %.0fs", g.Zygote.PID, t.Name, now.Sub(t.Since).Truncate(time.Second).Seconds()))
		}
	}
}

// giveUp lets HUP get through to a generation whose zygote is stuck: in a
// reload that one is given up, at the first start it begins again.
func (r *reload) giveUp(now time.Time) {
	g := r.gens.Next
	if r.phase == starting {
		g = r.gens.Current
	}
	if g == nil {
		return
	}
	t := g.Stuck(now)
	if t == nil {
		return
	}
	text := fmt.Sprintf("Zygote (pid:%d) is given up: %s takes too long, and there is another HUP", g.Zygote.PID, t.Name)
	if g == r.gens.Next {
		r.abort(text) // and begins the next one
		return
	}
	r.log.Warningf("%s", text)
	r.again = g.Plan != nil // the new zygote goes by the settings of the first
	r.m.zygotes.dismiss(g.TakeZygote())
	r.m.zygotes.start(g)
}
