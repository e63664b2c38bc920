// Package exits says how processes have ended: in Gunicorn's words, with the
// request that was lost, with what is known of the kernel's kills, and with a
// count where workers keep dying.
package exits

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/logs/errlog"
)

// Exits writes that to the log.
type Exits struct {
	log    *errlog.Logger
	kills  kills
	tally  tally
	looked time.Time
	Ended  status.Endings // that were said
}

// New makes one. count reads the kernel's counter of processes killed for want of
// memory in the server's cgroup, and which that is; false: it cannot be known.
func New(log *errlog.Logger, count func() (kills int, where string, ok bool)) Exits {
	return Exits{log: log, kills: kills{count: count}}
}

// Say logs how a worker ended. request is what was inside the application then, ""
// for nothing. A worker that has logged its requests itself is not asked twice.
func (e *Exits) Say(c *workers.Worker, how unix.WaitStatus, request string, now time.Time) {
	e.Ended.Count(cause(c, how))
	lost := ""
	if request != "" && c.Report != workers.LossReported {
		lost = " Lost: " + request
	}
	switch {
	case how.Signaled() && how.Signal() == unix.SIGKILL && c.Force == workers.Killed:
		e.log.Errorf("Worker (pid:%d) was sent SIGKILL!%s", c.PID, lost)
	case how.Signaled() && how.Signal() == unix.SIGKILL:
		e.log.Errorf("Worker (pid:%d) was sent SIGKILL! %s%s", c.PID, e.kills.why(now), lost)
	case how.Signaled() && how.Signal() == unix.SIGTERM:
		e.log.Infof("Worker (pid:%d) was sent SIGTERM!%s", c.PID, lost)
	case how.Signaled():
		e.log.Warningf("Worker (pid:%d) was sent %s!%s", c.PID, unix.SignalName(how.Signal()), lost)
	case how.ExitStatus() != 0 || lost != "":
		e.log.Errorf("Worker (pid:%d) exited with code %d.%s", c.PID, how.ExitStatus(), lost)
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

// cause sorts a worker's end by its cause.
func cause(c *workers.Worker, how unix.WaitStatus) status.Ending {
	switch {
	case c.Force == workers.Aborted || c.Report != workers.NothingReported:
		return status.TimedOut
	case c.FailedToBoot():
		return status.Unready
	case !c.Lost() && c.Departure == workers.Leaving:
		return status.Retired
	case how.Signaled() && how.Signal() == unix.SIGKILL:
		return status.Killed
	case how == 0:
		return status.Spent
	}
	return status.Crashed
}
