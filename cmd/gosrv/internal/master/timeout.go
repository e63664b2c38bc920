package master

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// checkTimeouts looks once a tick for workers that exceed the timeout setting:
// SIGABRT first, so that the worker can say where it is, SIGKILL a tick later.
// The setting limits the running request of a sync worker, and the boot of any;
// a thread's request it does not limit, as in Gunicorn.
func (m *Master) checkTimeouts(now time.Time) {
	if now.Sub(m.ticked) < tick {
		return
	}
	m.ticked = now
	mono := m.sys.monotonic()
	m.checkZygotes(now)
	for _, c := range m.children.list {
		what, over := m.overTime(c, now, mono)
		switch {
		case c.pid == 0 || c.killed:
		case !c.aborted.IsZero():
			c.killed = true
			m.signalWorker(c, unix.SIGKILL)
		case over:
			m.log.Criticalf("WORKER TIMEOUT (pid:%d)%s", c.pid, what)
			c.aborted = now
			m.signalWorker(c, unix.SIGABRT)
		}
	}
}

// checkZygotes ends a zygote that obeys no order to spawn for as long as a
// worker may take to boot: another one takes its place.
func (m *Master) checkZygotes(now time.Time) {
	for _, c := range m.children.list {
		g := m.generationOf(c)
		limit := time.Duration(g.plan.worker.Timeout) * time.Second
		if c.state != spawning || limit == 0 || now.Sub(c.spawned) <= limit || !g.up() || c.generation != g.number {
			continue
		}
		m.log.Criticalf("ZYGOTE TIMEOUT (pid:%d): no worker after %.0fs", g.zygote.pid, now.Sub(c.spawned).Seconds())
		g.zygote.configured = false
		_ = m.sys.kill(g.zygote.pid, unix.SIGKILL)
	}
}

// overTime tells whether a worker exceeds its time, and with what.
func (m *Master) overTime(c *child, now time.Time, mono int64) (string, bool) {
	g := m.generationOf(c)
	limit := time.Duration(g.plan.worker.Timeout) * time.Second
	if limit == 0 {
		return "", false
	}
	if c.state == booting {
		took := now.Sub(c.spawned)
		return fmt.Sprintf(": not ready after %.0fs", took.Seconds()), took > limit
	}
	if g.plan.worker.WorkerClass != "sync" || c.ready.IsZero() {
		return "", false
	}
	s := m.board.Snapshot(c.slot)
	if s.Start == 0 {
		return "", false
	}
	took := time.Duration(mono - s.Start)
	return fmt.Sprintf(": %s %s, running for %.0fs", printable(s.Method), printable(s.Path), took.Seconds()), took > limit
}

// printable shows what a client sent without letting it write control
// characters to the log.
func printable(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}
