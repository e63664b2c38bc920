package wsgi

import (
	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/loop"
)

// maxAccept bounds the connections taken in one go: those already here come
// first again after that.
const maxAccept = 64

// listener is one listening socket. The descriptor stays open until the worker
// exits, so that what is queued belongs to the workers that go on.
type listener struct {
	fd       int
	id       int // the master's number for the socket
	base     cpython.Base
	about    environ.Listener
	constant map[string][]byte // environ keys in lower case that no request sets, for the access log
	active   bool              // in the epoll set
	parked   bool              // it was, before the backup led
	empty    bool              // the last accept found nothing
	ending   bool              // to be closed when it is empty
}

// listen starts accepting. EPOLLEXCLUSIVE: one waiting worker is woken for a
// connection, not all of them.
func (w *eventLoop) listen() error {
	w.openExchange()
	for _, l := range w.listeners {
		if l.active {
			continue
		}
		// Whoever made the socket may have left it blocking, and another worker
		// may be quicker than this one.
		if err := unix.SetNonblock(l.fd, true); err != nil {
			return err
		}
		if err := l.begin(w.set.backlog); err != nil {
			return err
		}
		if !l.about.Unix {
			loop.NoDelay(l.fd) // accepted sockets inherit it
		}
		if e := w.poll.Add(l.fd, special, loop.ReadShared); e != loop.None {
			return e
		}
		l.active = true
	}
	return nil
}

// lookAgain makes the kernel say anew which queues hold something, that of the
// offers included. A connection wakes one worker only, and that one may have left,
// or died, without taking it.
func (w *eventLoop) lookAgain() {
	for _, l := range w.listeners {
		if l.active {
			w.poll.Remove(l.fd)
			w.reopen(l.fd, loop.ReadShared)
		}
	}
	if x := &w.exchange; x.active {
		w.poll.Remove(x.fd())
		w.reopen(x.fd(), loop.ReadShared)
	}
}

// unlisten leaves the queue to the other workers.
func (w *eventLoop) unlisten(l *listener) {
	if l.active {
		w.poll.Remove(l.fd)
		l.active = false
	}
}

// emptyQueue serves what the queues hold and then stops accepting: in a final
// drain nobody else will. It reports whether this thread still leads.
func (s *slot) emptyQueue() leads {
	w, left := s.l, false
	for _, l := range w.listeners {
		if l.active && s.accept(l, maxAccept) == handedOver {
			return handedOver
		}
		if l.empty {
			w.unlisten(l)
		}
		left = left || l.active
	}
	w.drain.queue = left
	return stillLeads
}

// accept takes connections one at a time and serves each at once if its
// request is there: while the application runs, the rest of the queue is free
// for other workers. It reports whether this thread still leads the loop.
func (s *slot) accept(l *listener, most int) leads {
	w := s.l
	l.empty = false
	for range most {
		if (!l.active || w.summoned()) && !s.isBackup() {
			return stillLeads
		}
		if w.full() {
			w.shutGate(0)
			return stillLeads
		}
		fd, e := loop.Accept(l.fd, &w.peer)
		if e != loop.None {
			switch whyNot(e) {
			case nobody:
				l.empty = true
				return stillLeads
			case gone:
				continue
			case starved:
				if w.makeRoom(s) {
					continue
				}
			case forbidden:
				l.empty = true // for this worker: a drain must not wait for it
			}
			s.ReleaseGIL()
			w.sayNotAccepted(l, e)
			w.shutGate(acceptPause)
			return stillLeads
		}
		if w.count >= w.set.maxConns {
			w.makeRoom(s)
		}
		if s.pump(w.open(fd, l, &w.peer)) == handedOver {
			return handedOver
		}
	}
	return stillLeads
}
