// Package zygote is one process that forks workers as the master sees it: its
// channel, what it is told to do and has not answered yet, and how its life goes.
// A seed, which waits to be the zygote of a later generation, and the child of a
// worker, which is to take over from a zygote, are such processes, too.
package zygote

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// State is how far a process is.
type State int

// The states, in order. Any of them may end in Killed or Gone.
const (
	Seed    State = iota // has read no orders yet, and belongs to no generation
	Loading              // evaluates the config file, imports
	Held                 // is configured, but may not fork: there are no sockets yet
	Ready                // forks on order
	Exiting              // was told to exit
	Killed               // was sent SIGKILL by us
	Gone                 // its channel has ended: it is dead, or of no use
)

// Origin is where a process comes from.
type Origin int

// Where from.
const (
	Executed   Origin = iota // a new interpreter
	FromSeed                 // a copy of an earlier zygote
	FromWorker               // a child of a worker
)

// ExitGrace is how long one that was told to exit may take.
const ExitGrace = time.Second

// Logging is which of the master's lines are a zygote's to log.
type Logging struct {
	Relay bool
	Level int // the least one, as Python counts
}

// Process is one such process.
type Process struct {
	PID      int // 0: it was ordered from another process, and has not said that it is there
	Channel  zygotectl.Channel
	State    State
	Origin   Origin
	Started  time.Time
	Deadline time.Time // SIGKILL then; zero: none
	Keeps    bool      // a hook left something behind that ends with it
	Logging  Logging

	tasks    []Task // what it is told to do and has not answered
	reported bool   // the log says that it does not fork
}

// Forks tells whether workers can be ordered. There may be no process at all.
func (z *Process) Forks() bool { return z != nil && z.State == Ready }

// Configured notes that the application is known, and loaded if that is the
// zygote's to do.
func (z *Process) Configured(l Logging) { z.State, z.Logging = Ready, l }

// Hold keeps it from being ordered to fork until Release.
func (z *Process) Hold() { z.State = Held }

// Release ends that.
func (z *Process) Release() {
	if z.State == Held {
		z.State = Ready
	}
}

// Tell sends an order. An error means that the process is dead or will be seen
// to be: its end of the channel tells.
func (z *Process) Tell(order workerctl.Message, now time.Time, fds ...int) error {
	z.begin(order, now)
	return z.Channel.Send(order, fds...)
}

// Recv reads one message; no message and no error: there is none now. The end of
// the channel is io.EOF. A zygote sends no descriptors: drop closes those that
// come all the same.
func (z *Process) Recv(drop func(fd int)) (typ string, raw json.RawMessage, err error) {
	typ, raw, fds, err := z.Channel.TryRecv()
	for _, fd := range fds {
		drop(fd)
	}
	switch {
	case errors.Is(err, workerctl.ErrWouldBlock):
		return "", nil, nil
	case err != nil:
		z.State = Gone
	}
	return typ, raw, err
}

// Exit tells it to exit, by SIGKILL after ExitGrace. Its channel stays open until
// it is reaped: what it still says goes unheard, but must not fail.
func (z *Process) Exit(now time.Time) error {
	z.State, z.Deadline = Exiting, now.Add(ExitGrace)
	return z.Tell(zygotectl.Exit{}, now)
}

// Overdue tells whether it is to be sent SIGKILL now.
func (z *Process) Overdue(now time.Time) bool { return z.State < Killed && !now.Before(z.Deadline) }

// ReportLate notes that the log says that it does not fork; false: it does already.
func (z *Process) ReportLate() bool {
	first := !z.reported
	z.reported = true
	return first
}

// Reason says why a channel has ended, "" if there is no more to say than that.
func Reason(err error) string {
	if errors.Is(err, io.EOF) {
		return ""
	}
	return err.Error()
}
