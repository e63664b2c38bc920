// Package workers is the master's table of workers: how far each one is, which
// of them count, whom to start and whom to retire, how long to wait after one
// that did not become ready. It is data and rules and makes no system call.
package workers

import (
	"fmt"
	"time"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// State is how far a worker is. See the state table in DESIGN.md.
type State int

// The states, in the order in which a worker goes through them.
const (
	Spawning  State = iota // ordered from the zygote; no process known yet
	Booting                // forked; the application is being imported
	Ready                  // serves
	Draining               // finishes what it has, but may not have read yet that it is to
	Finishing              // has said that it takes no connections any more
)

// Departure is whether a worker is to go.
type Departure int

// What the master has decided about it.
const (
	Stays    Departure = iota
	Replaced           // it goes when its successor is ready; it need not know
	Leaving            // it was told to go
)

// Force is the strongest signal that the master has sent to end a worker.
type Force int

// The signals, weakest first.
const (
	NoForce Force = iota
	Aborted       // SIGABRT, for a time-out
	Killed        // SIGKILL
)

// Report is what the log says already of a worker's being late.
type Report int

// What it says.
const (
	NothingReported Report = iota
	BootReported           // its boot takes too long
	LossReported           // the worker itself has logged, and answered, the requests that it dies over
)

// Failure is what a worker says about not booting.
type Failure = workerctl.WorkerFailed

// Worker is one worker, from the order to spawn it until it is reaped.
type Worker struct {
	Nr, Age, Slot int
	Generation    int
	PID           int // 0 while spawning
	State         State
	Departure     Departure
	Force         Force
	Report        Report
	Spawned       time.Time
	Notified      time.Time // zero until it called worker.notify() in its boot
	ReadyAt       time.Time // zero until it was
	Deadline      time.Time // SIGKILL then; zero: none
	OneThread     bool      // that serves

	Sockets   listen.Set // it was given; the loop's, too
	Covers    listen.Set // it serves beside those
	HandsOver bool       // it has the exchange

	Channel zygotectl.Channel // the loop's, nil when it has ended; the table does not touch it
	Failure *Failure          // nil: it has said nothing about not booting
}

// String names the worker in log lines: worker=0 gen=1 pid=42.
func (c *Worker) String() string {
	return fmt.Sprintf("worker=%d gen=%d pid=%d", c.Nr, c.Generation, c.PID)
}

// Counts tells whether the worker is, or will be, capacity.
func (c *Worker) Counts() bool { return c.Departure == Stays && c.State < Draining }

// Accepts tells whether the worker serves its sockets' queues.
func (c *Worker) Accepts() bool { return c.Serves() && c.Channel != nil }

// Serves tells whether the worker is ready and was not told to go.
func (c *Worker) Serves() bool { return c.State == Ready && c.Departure != Leaving }

// Notify notes that a worker that boots is not stuck: its time begins again.
func (c *Worker) Notify(now time.Time) {
	c.Notified = now
	if c.Report == BootReported {
		c.Report = NothingReported
	}
}

// Leave notes that the worker was told to go.
func (c *Worker) Leave() {
	c.Departure = Leaving
	c.StopCounting()
}

// StopCounting notes that a worker that is ready begins to finish what it has.
func (c *Worker) StopCounting() {
	if c.State == Ready {
		c.State = Draining
	}
}

// FailedToBoot tells whether its death now would mean that it could not become ready:
// its successor may not either. One that was ready has only met a bad request.
func (c *Worker) FailedToBoot() bool { return c.Departure != Leaving && c.ReadyAt.IsZero() }

// Lost tells whether its death now would take capacity away that nobody has given up.
func (c *Worker) Lost() bool {
	return c.Departure != Leaving && !c.ReadyAt.IsZero() && (c.State == Ready || c.Force >= Aborted)
}
