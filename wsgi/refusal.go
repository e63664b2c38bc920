package wsgi

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptPause is how long a worker that cannot accept leaves its queues alone: a
	// listener that cannot be served would wake it at once, for ever.
	acceptPause = time.Second
	// refusalPause is how long the same reason is not said again.
	refusalPause = int64(time.Minute)
)

// notAccepted is why accept4 gave no connection.
type notAccepted int

const (
	nobody    notAccepted = iota // the queue is empty, or another worker was quicker
	gone                         // that connection has failed before it was taken: the next one
	starved                      // the machine has no room for it now
	forbidden                    // a filter, a security module: it will be no better next time
)

// whyNot sorts the errors of accept(2). Those of the network are the new connection's own
// (man accept, "Error handling").
func whyNot(e unix.Errno) notAccepted {
	switch e {
	case unix.EAGAIN:
		return nobody
	case unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH:
		return gone
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return starved
	}
	return forbidden
}

// refusal is what was said last about connections that are not accepted.
type refusal struct {
	why   unix.Errno
	again int64 // CLOCK_MONOTONIC ns: not before
}

// due tells whether e is to be said: once in refusalPause.
func (r *refusal) due(e unix.Errno, now int64) bool {
	if e == r.why && now < r.again {
		return false
	}
	r.why, r.again = e, now+refusalPause
	return true
}

// sayNotAccepted logs why connections wait, with what can be done about it.
func (a *admission) sayNotAccepted(l *listener, e unix.Errno) {
	w := a.l
	if !w.gate.refusal.due(e, w.now) {
		return
	}
	switch {
	case e == unix.EMFILE:
		w.log.Errorf("Cannot accept connections at %s: %v: the limit of this process is %d (ulimit -n, LimitNOFILE=). They wait; tried again every second", l.name(), e, descriptors())
	case whyNot(e) == starved:
		w.log.Errorf("Cannot accept connections at %s: %v. They wait; tried again every second", l.name(), e)
	default:
		w.log.Criticalf("Cannot accept connections at %s: accept4: %v. Nobody is served here; does a seccomp filter or a security module forbid it? Tried again every second", l.name(), e)
	}
}
