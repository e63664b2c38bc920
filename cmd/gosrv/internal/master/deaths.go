package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/workerctl"
)

// workerDied says in Gunicorn's words how a worker ended and draws the
// conclusions. Its exit code is only data: what stops the server is a worker
// that says it could not boot, before any was ever ready.
func (m *Master) workerDied(c *workers.Worker, status unix.WaitStatus) {
	m.logDeath(c, status)
	m.workerGone(c)
	m.pauseIfFailed(c)
	if c.Lost() && m.phase == serving {
		m.tally.Add(c.Nr, m.lastRequest(c), m.sys.Now())
		m.sayTally(m.sys.Now())
	}
	m.forget(c)
	if m.phase == stopping {
		return
	}
	if !c.ReadyAt.IsZero() && (c.Lost() || status != 0) {
		m.lookAtQueues() // it may have been woken for a connection that it did not take
	}
	switch {
	case m.gens.Next != nil && c.Generation == m.gens.Next.Number && c.ReadyAt.IsZero() && c.Departure != workers.Leaving:
		m.abortReload(fmt.Sprintf("Worker (pid:%d) of the new generation did not start", c.PID))
	case c.Failure != nil && len(m.gens.Current.Established) == 0 && c.Generation == m.gens.Current.Number:
		reason := "Worker failed to boot."
		if c.Failure.Exit == workerctl.ExitApp {
			reason = "App failed to load."
		}
		m.halt(reason, c.Failure.Exit)
	}
}

func (m *Master) logDeath(c *workers.Worker, status unix.WaitStatus) {
	lost := m.lostRequest(c)
	switch {
	case status.Signaled() && status.Signal() == unix.SIGKILL && c.Force == workers.Killed:
		m.log.Errorf("Worker (pid:%d) was sent SIGKILL!%s", c.PID, lost)
	case status.Signaled() && status.Signal() == unix.SIGKILL:
		m.log.Errorf("Worker (pid:%d) was sent SIGKILL! %s%s", c.PID, m.whyKilled(), lost)
	case status.Signaled() && status.Signal() == unix.SIGTERM:
		m.log.Infof("Worker (pid:%d) was sent SIGTERM!%s", c.PID, lost)
	case status.Signaled():
		m.log.Warningf("Worker (pid:%d) was sent %s!%s", c.PID, unix.SignalName(status.Signal()), lost)
	case status.ExitStatus() != 0 || lost != "":
		m.log.Errorf("Worker (pid:%d) exited with code %d.%s", c.PID, status.ExitStatus(), lost)
	}
}

// sayTally logs that workers keep dying, if they do.
func (m *Master) sayTally(now time.Time) {
	if line, worth := m.tally.Line(now); worth {
		m.log.Errorf("%s", line)
	}
}

// lostRequest ends the line about a worker's death with the request that was lost.
func (m *Master) lostRequest(c *workers.Worker) string {
	request := m.lastRequest(c)
	if request == "" || c.Report == workers.LossReported {
		return ""
	}
	return " Lost: " + request
}

// lastRequest names the request that was inside the application when a worker
// died, the oldest if there were several; "" if there was none.
func (m *Master) lastRequest(c *workers.Worker) string {
	if m.shared.Board == nil {
		return ""
	}
	r := m.shared.Board.Snapshot(c.Slot)
	if r.PID != c.PID || r.Start == 0 {
		return ""
	}
	return printable(r.Method) + " " + printable(r.Path)
}

// describe says how a process ended.
func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "was sent " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exited with code %d", status.ExitStatus())
}

// oomMemory is how long after the counter has moved a death is put down to it:
// the kernel counts before the process is gone.
const oomMemory = 2 * time.Second

// oom is what is known of the kernel's counter of processes killed for want of
// memory, in the server's cgroup.
type oom struct {
	known bool      // it was read before
	seen  int       // last value read
	spare int       // kills that no death of a worker explains yet
	moved time.Time // when the counter has last risen
}

// lookForKills reads the counter: what it rises while nobody of ours dies was
// somebody else in the cgroup.
func (m *Master) lookForKills(now time.Time) (kills int, where string, ok bool) {
	kills, where, ok = m.sys.OOMKills()
	if now.Sub(m.oom.moved) > oomMemory {
		m.oom.spare = 0
	}
	if ok && !m.oom.known {
		m.oom.known, m.oom.seen = true, kills
	}
	if ok && kills > m.oom.seen {
		m.oom.spare += kills - m.oom.seen
		m.oom.seen, m.oom.moved = kills, now
	}
	return kills, where, ok
}

// whyKilled says what is known of a SIGKILL that was not ours.
func (m *Master) whyKilled() string {
	kills, where, ok := m.lookForKills(m.sys.Now())
	if !ok || m.oom.spare == 0 {
		return "Perhaps out of memory?"
	}
	m.oom.spare--
	return fmt.Sprintf("Out of memory: killed by the kernel (cgroup %s: oom_kill %d -> %d).", where, kills-1-m.oom.spare, kills-m.oom.spare)
}
