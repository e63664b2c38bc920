package master

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// balance brings a generation to its number of workers.
func (m *Master) balance(g *generation.Generation, now time.Time) {
	if g.Boots.Fails > 0 && m.table.Recovered(g.Number, g.Boots.Last) {
		g.Boots.Reset()
	}
	workers := m.wanted(g)
	missing, surplus := m.table.Plan(g.Number, workers, g.ReusesPort())
	for _, c := range append(surplus, m.table.Relieved(g.Number, workers)...) {
		m.retire(c, now)
	}
	m.shareExchange(g)
	for g.Up() && g.Boots.Open(now) && missing > 0 {
		if !m.spawn(g, now) {
			return
		}
		missing--
	}
}

// shareExchange gives it to workers that were alone when they were started.
func (m *Master) shareExchange(g *generation.Generation) {
	if !g.HandsOver() {
		return
	}
	for _, c := range m.table.Of(g.Number) {
		if !c.HandsOver && c.Counts() {
			c.HandsOver = true
			m.instruct(c, workerctl.Exchange{FDs: generation.ExchangeNames}, m.shared.Exchange...)
		}
	}
}

// spawn orders one worker. What it needs to serve goes into its channel at
// once and waits there until its Go side reads it.
func (m *Master) spawn(g *generation.Generation, now time.Time) bool {
	c, ok := m.table.Add(g.Number, now)
	if !ok {
		return false
	}
	ch, peer, err := m.sys.Pair()
	if err != nil {
		m.table.Remove(c)
		m.log.Errorf("Cannot start a worker: %v", err)
		g.Boots.Fail(now)
		return false
	}
	c.Channel = ch
	if m.shared.Board != nil {
		m.shared.Board.Slot(c.Slot).Init(0, g.Number)
	}
	serve, fds := m.serveOrder(g, c)
	if err := ch.Send(serve, fds...); err != nil {
		m.log.Errorf("Cannot start a worker: %v", err)
	}
	m.tell(g.Zygote, zygotectl.SpawnWorker{Nr: c.Nr, Age: c.Age, Generation: g.Number}, peer)
	m.sys.CloseFD(peer)
	return true
}

func (m *Master) serveOrder(g *generation.Generation, c *workers.Worker) (workerctl.Serve, []int) {
	serve := workerctl.Serve{
		Worker:   workerctl.Identity{Nr: c.Nr, Age: c.Age, Generation: g.Number, Slot: c.Slot},
		Settings: g.Plan.Worker,
	}
	names, logFDs := g.FDs()
	serve.FDs = append([]string{workerctl.FDScoreboard}, names...)
	fds := append([]int{m.shared.BoardFD}, logFDs...)
	c.OneThread = g.Plan.Worker.Threads <= 1
	c.Sockets = m.socketsFor(g, c.Nr)
	for _, s := range c.Sockets {
		about := s.Bound
		if g.ReusesPort() {
			about.ID = s.FD
		}
		serve.Listeners = append(serve.Listeners, about)
		serve.FDs, fds = append(serve.FDs, workerctl.FDListener), append(fds, s.FD)
	}
	if c.HandsOver = g.HandsOver(); c.HandsOver {
		serve.FDs, fds = append(serve.FDs, generation.ExchangeNames...), append(fds, m.shared.Exchange...)
	}
	return serve, fds
}

// retire tells a worker to go: finish what it has, within graceful_timeout. By
// channel, which the application cannot touch, and by signal, which it may
// handle. One that still boots is told by channel only: for a moment between
// the start of Go and the return of Python's handlers a TERM would end it.
func (m *Master) retire(c *workers.Worker, now time.Time) {
	grace := m.gens.Of(c.Generation).Grace()
	// The worker leaves by itself at the end of its grace, with close() run for what it
	// cuts; the second is for that.
	c.Deadline = sooner(c.Deadline, now.Add(grace+time.Second))
	if c == m.refork.model {
		m.orderRefork(c, now)
	}
	c.Leave()
	m.instruct(c, workerctl.Drain{GracefulTimeout: grace.Seconds(), Final: m.phase == stopping && m.alone()})
	if c.State >= workers.Draining {
		m.signalWorker(c, unix.SIGTERM)
	}
}

// instruct sends an order by channel.
func (m *Master) instruct(c *workers.Worker, msg workerctl.Message, fds ...int) {
	if c.Channel == nil {
		return
	}
	if err := c.Channel.Send(msg, fds...); err != nil {
		m.log.Debugf("Worker (pid:%d) takes no orders: %v", c.PID, err)
	}
}

// signalWorker sends a signal; a worker that is gone already is reaped soon.
func (m *Master) signalWorker(c *workers.Worker, sig unix.Signal) {
	if c.PID != 0 {
		_ = m.sys.Kill(c.PID, sig)
	}
}

// killOverdue sends SIGKILL where a deadline has passed.
func (m *Master) killOverdue(now time.Time) {
	for _, c := range m.table.Overdue(now) {
		if c.PID == 0 {
			m.forget(c) // its zygote hangs; should it come to be, it finds its channel closed
			continue
		}
		c.Force = workers.Killed
		m.signalWorker(c, unix.SIGKILL)
	}
	for _, z := range m.dismissed {
		if z.Overdue(now) {
			z.State = zygote.Killed
			_ = m.sys.Kill(z.PID, unix.SIGKILL)
		}
	}
}

// readAll reads every channel until nothing is left.
func (m *Master) readAll() {
	for _, g := range m.gens.All() {
		m.readZygote(g)
	}
	m.readSeed()
	m.readPending()
	for _, c := range append([]*workers.Worker(nil), m.table.List...) {
		m.readWorker(c)
	}
}

// recv reads one message of a process that sends no descriptors. Any error but
// ErrWouldBlock is the channel's end.
func (m *Master) recv(ch zygotectl.Channel) (typ string, raw json.RawMessage, err error) {
	typ, raw, fds, err := ch.TryRecv()
	for _, fd := range fds {
		m.sys.CloseFD(fd)
	}
	return typ, raw, err
}

func (m *Master) readWorker(c *workers.Worker) {
	for c.Channel != nil {
		typ, raw, err := m.recv(c.Channel)
		if err != nil {
			if !errors.Is(err, workerctl.ErrWouldBlock) {
				m.hangUp(c, err)
			}
			return
		}
		if err := m.fromWorker(c, typ, raw); err != nil {
			m.log.Errorf("Worker (pid:%d): %s: %v", c.PID, typ, err)
		}
	}
}

// hangUp handles the end of a worker's channel: it is about to be reaped. One
// without a process never came to be, because its zygote died over it.
func (m *Master) hangUp(c *workers.Worker, err error) {
	_ = c.Channel.Close()
	c.Channel = nil
	if err != io.EOF {
		m.log.Errorf("Worker (pid:%d): %v", c.PID, err)
	}
	if c.PID == 0 {
		m.pauseIfFailed(c)
		m.forget(c)
		return
	}
	if c.Deadline.IsZero() { // it cannot be given orders any more: it should be on its way out
		c.Deadline = m.sys.Now().Add(m.gens.Of(c.Generation).Grace())
	}
}

func (m *Master) fromWorker(c *workers.Worker, typ string, raw json.RawMessage) error {
	switch typ {
	case "WorkerSpawned":
		return receive(raw, func(msg workerctl.WorkerSpawned) { m.workerSpawned(c, msg.PID) })
	case "WorkerReady":
		return receive(raw, func(msg workerctl.WorkerReady) { m.workerReady(c, msg) })
	case "WorkerFailed":
		return receive(raw, func(msg workerctl.WorkerFailed) { m.workerFailed(c, msg) })
	case "WorkerSpent":
		if c.Departure == workers.Stays {
			c.Departure = workers.Replaced
		}
		return nil
	case "WorkerDraining":
		return receive(raw, func(msg workerctl.WorkerDraining) { m.workerDraining(c, msg.Queue) })
	case "WorkerTimedOut":
		m.workerTimedOut(c)
		return nil
	case "WorkerExiting":
		return receive(raw, func(msg workerctl.WorkerExiting) {
			m.log.Debugf("%s exits after %d requests, %d references taken, %d dropped, %d crossings", c, msg.Requests, msg.Taken, msg.Dropped, msg.Crossings)
		})
	}
	return errors.New("unknown message")
}

func (m *Master) workerSpawned(c *workers.Worker, pid int) {
	c.PID, c.State = pid, workers.Booting // an order to leave waits in its channel
	m.workerKnown(c)
	if status, dead := m.earlyExits[pid]; dead {
		delete(m.earlyExits, pid)
		m.workerDied(c, status)
	}
}

func (m *Master) workerReady(c *workers.Worker, msg workerctl.WorkerReady) {
	if msg.Notice != "" && msg.Notice != m.noticed {
		m.noticed = msg.Notice
		m.log.Warningf("%s", msg.Notice)
	}
	if c.State == workers.Booting {
		c.State = workers.Ready
	}
	c.ReadyAt = m.sys.Now()
	m.announceReady()
	for _, g := range m.gens.All() {
		if g.Number == c.Generation {
			g.Established[c.Nr] = true
		}
	}
}

func (m *Master) workerFailed(c *workers.Worker, f workerctl.WorkerFailed) {
	c.Failure = &f
	if m.phase == stopping {
		return // its siblings say the same
	}
	m.log.Errorf("%s", withTraceback(f.Message, f.Traceback))
}

func (m *Master) spawnFailed(msg zygotectl.SpawnFailed) {
	m.log.Errorf("Cannot fork a worker: %s", msg.Message)
	if c := m.table.ByAge(msg.Age); c != nil && c.PID == 0 {
		m.pauseIfFailed(c)
		m.forget(c)
	}
}

// forget drops a worker that has no process any more.
func (m *Master) forget(c *workers.Worker) {
	if c.Channel != nil {
		_ = c.Channel.Close()
		c.Channel = nil
	}
	if m.shared.Board != nil {
		m.shared.Board.Slot(c.Slot).Release()
	}
	m.table.Remove(c)
}

// pauseIfFailed lets the next worker of a generation wait if this one never became ready.
func (m *Master) pauseIfFailed(c *workers.Worker) {
	if !c.FailedToBoot() {
		return
	}
	now := m.sys.Now()
	for _, g := range m.gens.All() {
		if g.Number != c.Generation {
			continue
		}
		if pause := g.Boots.Fail(now); pause >= time.Second {
			m.log.Warningf("Workers of generation %d do not become ready: the next one is started in %v", g.Number, pause)
		}
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
		clear(m.earlyExits) // what is left are orphans of the application, or pid 1's
	}
}

func (m *Master) died(pid int, status unix.WaitStatus) {
	m.readUnnamed()
	if z := m.dismissed.Take(pid); z != nil {
		_ = z.Channel.Close()
		return
	}
	if m.seedDied(pid, status) || m.pendingDied(pid, status) || m.retainedDied(pid, status) || m.successorDied(pid, status) {
		return
	}
	for _, g := range m.gens.All() {
		if g.Zygote != nil && g.Zygote.PID == pid {
			m.readZygote(g) // its last words; they may have dismissed it
			if g.Zygote != nil {
				m.zygoteDied(g, status)
			} else {
				m.died(pid, status)
			}
			return
		}
	}
	c := m.table.ByPID(pid)
	if c == nil {
		m.earlyExits[pid] = status
		return
	}
	m.readWorker(c)
	m.workerDied(c, status)
}
