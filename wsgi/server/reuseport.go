package server

import (
	"sync"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// With --reuse-port the kernel spreads connections over one socket for each
// worker. A socket whose worker is not there (it crashed, or was not replaced)
// is covered by the others, so that nobody waits in its queue: the master sends
// them a duplicate, and takes it back when the worker's successor serves.

// covers are the sockets that come and go while a worker serves.
type covers struct {
	mu     sync.Mutex
	orders []coverMessage // not yet obeyed by who leads
}

// coverMessage is a Cover, with its descriptor, or an Uncover (fd is -1).
type coverMessage struct {
	listener workerctl.Listener
	fd       int
}

// Cover orders the worker to serve one more socket of an address of its own. It takes the descriptor.
func (s *Server) Cover(l workerctl.Listener, fd int) { s.w.coverOrder(coverMessage{l, fd}) }

// Uncover orders it to serve that socket's queue and to close it.
func (s *Server) Uncover(id int) {
	s.w.coverOrder(coverMessage{workerctl.Listener{ID: id}, -1})
}

func (w *worker) coverOrder(m coverMessage) {
	w.covers.mu.Lock()
	w.covers.orders = append(w.covers.orders, m)
	w.covers.mu.Unlock()
	w.order(coverOrder)
}

// arrangeCovered obeys what has come. The caller leads.
func (a *admission) arrangeCovered() {
	w := a.l
	w.covers.mu.Lock()
	orders := w.covers.orders
	w.covers.orders = nil
	w.covers.mu.Unlock()
	for _, m := range orders {
		if m.fd >= 0 {
			w.cover(m)
			continue
		}
		for _, l := range w.listeners {
			if l.id == m.listener.ID && !l.ending {
				l.ending = true
				w.ending++
			}
		}
	}
}

// cover begins to serve one more socket of an address.
func (a *admission) cover(m coverMessage) {
	w := a.l
	like := w.listenerNamed(m.listener.Name())
	if like == nil || w.drain.on && !w.drain.final {
		loop.Drop(m.fd) // an address of other settings, or this worker is on its way out
		return
	}
	l := newListener(m.fd, &m.listener, like.number)
	if err := unix.SetNonblock(l.fd, true); err != nil {
		w.log.Errorf("Cannot serve another worker's socket: %v", err)
		loop.Drop(m.fd)
		return
	}
	w.Own(l.fd, true)
	w.listeners = append(w.listeners, l)
	switch {
	case w.gate.shut: // opened with the others
	case like.parked:
		l.parked = true
	default:
		w.reopen(l.fd, loop.ReadShared)
		l.active = true
		w.drain.queue = w.drain.queue || w.drain.final
	}
}

// endCovered closes the listeners that are to end, once their queues are served.
// It reports whether this thread still leads.
func (a *admission) endCovered(s *appThread) leads {
	w := s.l
	if s.isBackup() || w.gate.shut && !w.drain.on {
		return stillLeads // the queue is for the main thread, when there is room
	}
	for i := 0; i < len(w.listeners); i++ {
		l := w.listeners[i]
		if !l.ending {
			continue
		}
		if l.active && s.l.accept(s, l, maxAccept) == handedOver {
			return handedOver
		}
		if l.active && !l.empty {
			continue // others first
		}
		w.unlisten(l)
		w.Own(l.fd, false)
		loop.Drop(l.fd)
		w.listeners = append(w.listeners[:i:i], w.listeners[i+1:]...)
		w.ending--
		i--
	}
	return stillLeads
}

// begin makes a socket listen whose first worker this is: before somebody
// serves it the kernel must not put connections there.
func (l *listener) begin(backlog int) error {
	on, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || on != 0 {
		return err
	}
	return unix.Listen(l.fd, backlog)
}
