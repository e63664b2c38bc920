// Package exits says how processes have ended: in Gunicorn's words, with the
// request that was lost, with what is known of the kernel's kills, and with a
// count where workers keep dying.
package exits

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/logs/errlog"
)

// Exits writes that to the log.
type Exits struct {
	log    *errlog.Logger
	kills  kills
	tally  tally
	looked time.Time
}

// New makes one. count reads the kernel's counter of processes killed for want of
// memory in the server's cgroup, and which that is; false: it cannot be known.
func New(log *errlog.Logger, count func() (kills int, where string, ok bool)) Exits {
	return Exits{log: log, kills: kills{count: count}}
}

// Say logs how a worker ended. request is what was inside the application then, ""
// for nothing. A worker that has logged its requests itself is not asked twice.
func (e *Exits) Say(c *workers.Worker, status unix.WaitStatus, request string, now time.Time) {
	lost := ""
	if request != "" && c.Report != workers.LossReported {
		lost = " Lost: " + request
	}
	switch {
	case status.Signaled() && status.Signal() == unix.SIGKILL && c.Force == workers.Killed:
		e.log.Errorf("Worker (pid:%d) was sent SIGKILL!%s", c.PID, lost)
	case status.Signaled() && status.Signal() == unix.SIGKILL:
		e.log.Errorf("Worker (pid:%d) was sent SIGKILL! %s%s", c.PID, e.kills.why(now), lost)
	case status.Signaled() && status.Signal() == unix.SIGTERM:
		e.log.Infof("Worker (pid:%d) was sent SIGTERM!%s", c.PID, lost)
	case status.Signaled():
		e.log.Warningf("Worker (pid:%d) was sent %s!%s", c.PID, unix.SignalName(status.Signal()), lost)
	case status.ExitStatus() != 0 || lost != "":
		e.log.Errorf("Worker (pid:%d) exited with code %d.%s", c.PID, status.ExitStatus(), lost)
	}
}

// Count counts the death of worker nr, which was ready, and logs how many there
// were if that is worth a line.
func (e *Exits) Count(nr int, request string, now time.Time) {
	e.tally.add(nr, request, now)
	e.sayTally(now)
}

// Look is to be called often. Once every so long it reads the kernel's counter,
// and says what Count has kept to itself.
func (e *Exits) Look(now time.Time, every time.Duration) {
	if now.Sub(e.looked) < every {
		return
	}
	e.looked = now
	e.kills.look(now)
	e.sayTally(now)
}

func (e *Exits) sayTally(now time.Time) {
	if line, worth := e.tally.line(now); worth {
		e.log.Errorf("%s", line)
	}
}

// Describe says how a process ended.
func Describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return "was sent " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exited with code %d", status.ExitStatus())
}
