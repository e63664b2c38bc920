package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// pool starts, tells and ends the workers of the table.
type pool struct {
	*server
	m          *Master
	earlyExits map[int]unix.WaitStatus // of processes reaped before WorkerSpawned was read
	noticed    string                  // the last warning that workers had in common
}

// balance brings a generation to its number of workers.
func (p *pool) balance(g *generation.Generation, now time.Time) {
	if g.Boots.Fails > 0 && p.table.Recovered(g.Number, g.Boots.Last) {
		g.Boots.Reset()
	}
	workers := p.m.reload.wanted(g)
	missing, surplus := p.table.Plan(g.Number, workers, g.ReusesPort())
	for _, c := range append(surplus, p.table.Relieved(g.Number, workers)...) {
		p.retire(c, now)
	}
	p.shareExchange(g)
	missing = p.m.zygotes.stdlib.Admits(g, missing, p.table.Serving(g.Number)+p.table.Booting(g.Number) > 0, now)
	for g.Up() && g.Boots.Open(now) && missing > 0 {
		if !p.spawn(g, now) {
			return
		}
		missing--
	}
}

// shareExchange gives it to workers that were alone when they were started.
func (p *pool) shareExchange(g *generation.Generation) {
	if !g.HandsOver() {
		return
	}
	for _, c := range p.table.Of(g.Number) {
		if !c.HandsOver && c.Counts() {
			c.HandsOver = true
			p.instruct(c, workerctl.Exchange{FDs: generation.ExchangeNames}, p.shared.Exchange...)
		}
	}
}

// spawn orders one worker. What it needs to serve goes into its channel at
// once and waits there until its Go side reads it.
func (p *pool) spawn(g *generation.Generation, now time.Time) bool {
	c, ok := p.table.Add(g.Number, now)
	if !ok {
		return false
	}
	ch, peer, err := p.sys.Pair()
	if err != nil {
		p.table.Remove(c)
		p.log.Errorf("Cannot start a worker: %v", err)
		g.Boots.Fail(now)
		return false
	}
	c.Channel = ch
	if p.shared.Board != nil {
		p.shared.Board.Slot(c.Slot).Init(0, g.Number)
	}
	serve, fds := p.serveOrder(g, c)
	if err := ch.Send(serve, fds...); err != nil {
		p.log.Errorf("Cannot start a worker: %v", err)
	}
	p.m.zygotes.tell(g.Zygote, zygotectl.SpawnWorker{Nr: c.Nr, Age: c.Age, Generation: g.Number}, append([]int{peer}, lent(g, c.Sockets)...)...)
	p.sys.CloseFD(peer)
	return true
}

func (p *pool) serveOrder(g *generation.Generation, c *workers.Worker) (workerctl.Serve, []int) {
	serve := workerctl.Serve{
		Worker:   workerctl.Identity{Nr: c.Nr, Age: c.Age, Generation: g.Number, Slot: c.Slot},
		Settings: g.Plan.Worker,
	}
	names, logFDs := g.FDs()
	serve.FDs = append([]string{workerctl.FDScoreboard}, names...)
	fds := append([]int{p.shared.BoardFD}, logFDs...)
	c.OneThread = g.Plan.Worker.Threads <= 1
	c.Sockets = p.m.ports.For(g, c.Nr)
	for _, s := range c.Sockets {
		about := s.Bound
		about.HTTPS = g.Certificates != nil
		if g.ReusesPort() {
			about.ID = s.FD
		}
		serve.Listeners = append(serve.Listeners, about)
		serve.FDs, fds = append(serve.FDs, workerctl.FDListener), append(fds, s.FD)
	}
	fds = p.shared.Secure(&g.Resources, g.Plan, &serve, fds)
	if c.HandsOver = g.HandsOver(); c.HandsOver {
		serve.FDs, fds = append(serve.FDs, generation.ExchangeNames...), append(fds, p.shared.Exchange...)
	}
	if !g.Plan.Own.NoMetrics {
		fds = p.shared.Measure(c.Slot, &serve, fds, p.log)
	}
	return serve, fds
}

// renewCertificates gives the workers of each generation other certificates, or keys of
// session tickets, when it is time.
func (p *pool) renewCertificates(now time.Time) {
	for _, g := range p.gens.All() {
		if g.Plan == nil || !p.shared.RenewCertificates(&g.Resources, !g.Plan.Own.NoTLSWatch, p.log, now) {
			continue
		}
		for _, c := range p.table.Of(g.Number) {
			p.instruct(c, workerctl.Certificates{}, g.Certificates.FD())
		}
	}
}

// retire tells a worker to go: finish what it has, within graceful_timeout. By
// channel, which the application cannot touch, and by signal, which it may
// handle. One that still boots is told by channel only: for a moment between
// the start of Go and the return of Python's handlers a TERM would end it.
func (p *pool) retire(c *workers.Worker, now time.Time) {
	grace := p.gens.Of(c.Generation).Grace()
	// The worker leaves by itself at the end of its grace, with close() run for what it
	// cuts; the second is for that.
	c.Deadline = sooner(c.Deadline, now.Add(grace+time.Second))
	if c == p.m.refork.attempt.model {
		p.m.refork.order(c, now)
	}
	c.Leave()
	p.instruct(c, workerctl.Drain{GracefulTimeout: grace.Seconds(), Final: p.phase == stopping && p.m.upgrade.alone()})
	if c.State >= workers.Draining {
		p.signal(c, unix.SIGTERM)
	}
}

// instruct sends an order by channel.
func (p *pool) instruct(c *workers.Worker, msg workerctl.Message, fds ...int) {
	if c.Channel == nil {
		return
	}
	if err := c.Channel.Send(msg, fds...); err != nil {
		p.log.Debugf("Worker (pid:%d) takes no orders: %v", c.PID, err)
	}
}

// signal sends a signal; a worker that is gone already is reaped soon.
func (p *pool) signal(c *workers.Worker, sig unix.Signal) {
	if c.PID != 0 {
		_ = p.sys.Kill(c.PID, sig)
	}
}

// killOverdue sends SIGKILL where a deadline has passed.
func (p *pool) killOverdue(now time.Time) {
	for _, c := range p.table.Overdue(now) {
		if c.PID == 0 {
			p.forget(c) // its zygote hangs; should it come to be, it finds its channel closed
			continue
		}
		c.Force = workers.Killed
		p.signal(c, unix.SIGKILL)
	}
	for _, z := range p.m.zygotes.dismissed {
		if z.Overdue(now) {
			z.State = zygote.Killed
			_ = p.sys.Kill(z.PID, unix.SIGKILL)
		}
	}
}

// recv reads one message of a process that sends no descriptors. Any error but
// ErrWouldBlock is the channel's end.
func (p *pool) recv(ch zygotectl.Channel) (typ string, raw json.RawMessage, err error) {
	typ, raw, fds, err := ch.TryRecv()
	for _, fd := range fds {
		p.sys.CloseFD(fd)
	}
	return typ, raw, err
}

func (p *pool) read(c *workers.Worker) {
	for c.Channel != nil {
		typ, raw, err := p.recv(c.Channel)
		if err != nil {
			if !errors.Is(err, workerctl.ErrWouldBlock) {
				p.hangUp(c, err)
			}
			return
		}
		if err := p.heard(c, typ, raw); err != nil {
			p.log.Errorf("Worker (pid:%d): %s: %v", c.PID, typ, err)
		}
	}
}

// hangUp handles the end of a worker's channel: it is about to be reaped. One
// without a process never came to be, because its zygote died over it.
func (p *pool) hangUp(c *workers.Worker, err error) {
	_ = c.Channel.Close()
	c.Channel = nil
	if err != io.EOF {
		p.log.Errorf("Worker (pid:%d): %v", c.PID, err)
	}
	if c.PID == 0 {
		p.pauseIfFailed(c)
		p.forget(c)
		return
	}
	if c.Deadline.IsZero() { // it cannot be given orders any more: it should be on its way out
		c.Deadline = p.sys.Now().Add(p.gens.Of(c.Generation).Grace())
	}
}

func (p *pool) heard(c *workers.Worker, typ string, raw json.RawMessage) error {
	switch typ {
	case "WorkerSpawned":
		return receive(raw, func(msg workerctl.WorkerSpawned) { p.spawned(c, msg.PID) })
	case "WorkerReady":
		return receive(raw, func(msg workerctl.WorkerReady) { p.ready(c, msg) })
	case "WorkerFailed":
		return receive(raw, func(msg workerctl.WorkerFailed) { p.failed(c, msg) })
	case "WorkerImported":
		return receive(raw, func(msg workerctl.WorkerImported) {
			if g := p.gens.Numbered(c.Generation); g != nil {
				p.m.zygotes.stdlib.Told(g, c, msg, p.m.zygotes.application(g))
			}
		})
	case "WorkerNotified":
		c.Notify(p.sys.Now())
		return nil
	case "WorkerWantsSuccessor":
		if c.Departure == workers.Stays {
			c.Departure = workers.Replaced
		}
		return nil
	case "WorkerDraining":
		return receive(raw, func(msg workerctl.WorkerDraining) { p.draining(c, msg.Queue) })
	case "WorkerTimedOut":
		p.m.timeouts.reported(c)
		return nil
	case "WorkerExiting":
		return receive(raw, func(msg workerctl.WorkerExiting) {
			p.log.Debugf("%s exits after %d requests, %d references taken, %d dropped, %d crossings", c, msg.Requests, msg.Taken, msg.Dropped, msg.Crossings)
		})
	}
	return errors.New("unknown message")
}

func (p *pool) spawned(c *workers.Worker, pid int) {
	c.PID, c.State = pid, workers.Booting // an order to leave waits in its channel
	p.m.hooks.workerKnown(c)
	if status, dead := p.earlyExits[pid]; dead {
		delete(p.earlyExits, pid)
		p.died(c, status)
	}
}

func (p *pool) ready(c *workers.Worker, msg workerctl.WorkerReady) {
	if msg.Notice != "" && msg.Notice != p.noticed {
		p.noticed = msg.Notice
		p.log.Warningf("%s", msg.Notice)
	}
	if c.State == workers.Booting {
		c.State = workers.Ready
	}
	c.ReadyAt = p.sys.Now()
	p.m.announce.ready()
	for _, g := range p.gens.All() {
		if g.Number == c.Generation {
			g.Established[c.Nr] = true
		}
	}
}

func (p *pool) failed(c *workers.Worker, f workerctl.WorkerFailed) {
	c.Failure = &f
	if p.phase == stopping {
		return // its siblings say the same
	}
	p.log.Errorf("%s", withTraceback(f.Message, f.Traceback))
}

func (p *pool) spawnFailed(msg zygotectl.SpawnFailed) {
	p.log.Errorf("Cannot fork a worker: %s", msg.Message)
	if c := p.table.ByAge(msg.Age); c != nil && c.PID == 0 {
		p.pauseIfFailed(c)
		p.forget(c)
	}
}

// forget drops a worker that has no process any more.
func (p *pool) forget(c *workers.Worker) {
	if c.Channel != nil {
		_ = c.Channel.Close()
		c.Channel = nil
	}
	if p.shared.Board != nil {
		p.shared.Board.Slot(c.Slot).Release()
	}
	p.table.Remove(c)
}

// pauseIfFailed lets the next worker of a generation wait if this one never became ready.
func (p *pool) pauseIfFailed(c *workers.Worker) {
	if !c.FailedToBoot() {
		return
	}
	now := p.sys.Now()
	for _, g := range p.gens.All() {
		if g.Number != c.Generation {
			continue
		}
		if pause := g.Boots.Fail(now); pause >= time.Second {
			p.log.Warningf("Workers of generation %d do not become ready: the next one is started in %v", g.Number, pause)
		}
	}
}

// died says in Gunicorn's words how a worker ended and draws the
// conclusions. Its exit code is only data: what stops the server is a worker
// that says it could not boot, before any was ever ready.
func (p *pool) died(c *workers.Worker, status unix.WaitStatus) {
	now, request := p.sys.Now(), p.shared.Request(c.Slot, c.PID)
	p.m.exits.Say(c, status, request, now)
	p.m.hooks.workerGone(c)
	p.pauseIfFailed(c)
	if c.Lost() && p.phase == serving {
		p.m.exits.Count(c.Nr, request, now)
	}
	p.forget(c)
	if p.phase == stopping {
		return
	}
	if !c.ReadyAt.IsZero() && (c.Lost() || status != 0) {
		p.lookAtQueues() // it may have been woken for a connection that it did not take
	}
	switch {
	case p.gens.Next != nil && c.Generation == p.gens.Next.Number && c.ReadyAt.IsZero() && c.Departure != workers.Leaving:
		p.m.reload.abort(fmt.Sprintf("Worker (pid:%d) of the new generation did not start", c.PID))
	case c.Failure != nil && len(p.gens.Current.Established) == 0 && c.Generation == p.gens.Current.Number:
		reason := "Worker failed to boot."
		if c.Failure.Exit == workerctl.ExitApp {
			reason = "App failed to load."
		}
		p.m.stop.halt(reason, c.Failure.Exit)
	}
}

// draining notes that a worker accepts nothing more. Where it leaves
// connections in a queue the others look: it alone may have been woken for them.
func (p *pool) draining(c *workers.Worker, queue bool) {
	c.State = workers.Finishing
	if queue {
		p.lookAtQueues()
	}
}

// lookAtQueues has the workers look into the accept queues: the kernel wakes one
// for a connection, and that one has gone.
func (p *pool) lookAtQueues() {
	for _, c := range p.table.List {
		if c.Serves() {
			p.instruct(c, workerctl.Look{})
		}
	}
}

// quit tells a worker to drop everything and go. The signal comes first: one that
// read the message before it could end without the hook worker_int.
func (p *pool) quit(c *workers.Worker, deadline time.Time) {
	c.Departure, c.Deadline = workers.Leaving, deadline
	p.signal(c, unix.SIGQUIT)
	p.instruct(c, workerctl.Quit{})
}

// receive decodes a message and passes it on.
func receive[T any](raw json.RawMessage, use func(T)) error {
	var msg T
	if err := json.Unmarshal(raw, &msg); err != nil {
		return err
	}
	use(msg)
	return nil
}
