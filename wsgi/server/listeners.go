package server

import (
	"sync"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
)

// listener is one listening socket. The descriptor stays open until the worker
// exits, so that what is queued belongs to the workers that go on.
type listener struct {
	fd     int
	id     int // the master's number for the socket
	unix   bool
	secure bool          // TLS is spoken
	name   string        // its address as users write it
	number call.Listener // of the caller's
	active bool          // in the epoll set
	parked bool          // it was, before the backup led
	empty  bool          // the last accept found nothing
	ending bool          // to be closed when it is empty
}

func newListener(fd int, d *workerctl.Listener, number call.Listener) *listener {
	return &listener{fd: fd, id: d.ID, unix: d.Kind == "unix", secure: d.HTTPS, name: d.Name(), number: number}
}

// begin makes a socket listen whose first worker this is: before somebody
// serves it the kernel must not put connections there.
func (l *listener) begin(backlog int) error {
	// Whoever made the socket may have left it blocking, and another worker
	// may be quicker than this one.
	if err := unix.SetNonblock(l.fd, true); err != nil {
		return err
	}
	on, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return err
	}
	if on == 0 {
		if err := unix.Listen(l.fd, backlog); err != nil {
			return err
		}
	}
	if !l.unix {
		loop.NoDelay(l.fd) // accepted sockets inherit it
	}
	return nil
}

// sources is where connections come from: listening sockets, and what other workers offer.
type sources struct {
	poll      *loop.Poller
	log       *errlog.Logger
	backlog   int
	listeners []*listener
	exchange  offers
	ending    int // listeners that are to be closed
}

// listen starts accepting. EPOLLEXCLUSIVE: one waiting worker is woken for a
// connection, not all of them.
func (x *sources) listen() error {
	x.openExchange()
	for _, l := range x.listeners {
		if l.active {
			continue
		}
		if err := l.begin(x.backlog); err != nil {
			return err
		}
		if e := x.poll.Add(l.fd, special, loop.ReadShared); e != loop.None {
			return e
		}
		l.active = true
	}
	return nil
}

// shut leaves what comes to the other workers.
func (x *sources) shut() {
	x.shutExchange()
	for _, l := range x.listeners {
		x.unlisten(l)
	}
}

// unlisten leaves the queue to the other workers.
func (x *sources) unlisten(l *listener) {
	if l.active {
		x.poll.Remove(l.fd)
		l.active = false
	}
}

// leaveQueues leaves what waits to the other workers. It reports whether
// something does.
func (x *sources) leaveQueues() (queue bool) {
	for _, l := range x.listeners {
		if !l.ending { // its queue is nobody else's
			x.unlisten(l)
			queue = queue || loop.WaitReadable(l.fd, 0)
		}
	}
	return queue
}

// openExchange lets this worker take offers; as with a listener, one that waits
// is woken for each. Level-triggered: it takes one at a time.
func (x *sources) openExchange() {
	if o := &x.exchange; o.Joined() && !o.active {
		x.reopen(o.fd(), loop.ReadShared)
		o.active = true
	}
}

// shutExchange leaves the offers to other workers.
func (x *sources) shutExchange() {
	if o := &x.exchange; o.active {
		x.poll.Remove(o.fd())
		o.active = false
	}
}

// lookAgain makes the kernel say anew which queues hold something, that of the
// offers included. A connection wakes one worker only, and that one may have left,
// or died, without taking it.
func (x *sources) lookAgain() {
	for _, l := range x.listeners {
		if l.active {
			x.poll.Remove(l.fd)
			x.reopen(l.fd, loop.ReadShared)
		}
	}
	if o := &x.exchange; o.active {
		x.poll.Remove(o.fd())
		x.reopen(o.fd(), loop.ReadShared)
	}
}

// park leaves what comes to the other workers for as long as the backup leads.
func (x *sources) park() {
	for _, l := range x.listeners {
		l.parked = l.active
	}
	x.exchange.parked = x.exchange.active
	x.shut()
}

// unpark undoes that, unless the gate was shut meanwhile.
func (x *sources) unpark(shut bool) {
	for _, l := range x.listeners {
		if l.parked && !shut {
			x.reopen(l.fd, loop.ReadShared)
			l.active = true
		}
		l.parked = false
	}
	if o := &x.exchange; o.parked && !shut {
		x.reopen(o.fd(), loop.ReadShared)
		o.active = true
	}
	x.exchange.parked = false
}

// reopen puts a descriptor into the epoll set again.
func (x *sources) reopen(fd int, interest uint32) {
	if e := x.poll.Add(fd, special, interest); e != loop.None && e != unix.EEXIST {
		x.log.Errorf("epoll refuses a descriptor: %v", e)
	}
}

// named is nil for an address that this worker does not serve.
func (x *sources) named(name string) *listener {
	for _, l := range x.listeners {
		if l.name == name {
			return l
		}
	}
	return nil
}

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

// take gives what has come and forgets it.
func (k *covers) take() []coverMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	orders := k.orders
	k.orders = nil
	return orders
}

// uncover has a listener closed once its queue is empty.
func (x *sources) uncover(id int) {
	for _, l := range x.listeners {
		if l.id == id && !l.ending {
			l.ending = true
			x.ending++
		}
	}
}

// cover adds one more socket of an address. It is active at once unless the gate is shut, or like, another one of that
// address, is parked. nil: it cannot be served, and is closed.
func (x *sources) cover(m coverMessage, like *listener, shut bool) *listener {
	l := newListener(m.fd, &m.listener, like.number)
	if err := unix.SetNonblock(l.fd, true); err != nil {
		x.log.Errorf("Cannot serve another worker's socket: %v", err)
		loop.Drop(m.fd)
		return nil
	}
	x.listeners = append(x.listeners, l)
	switch {
	case shut: // opened with the others
	case like.parked:
		l.parked = true
	default:
		x.reopen(l.fd, loop.ReadShared)
		l.active = true
	}
	return l
}

// drop closes a listener whose queue is served, or was left.
func (x *sources) drop(i int) {
	l := x.listeners[i]
	x.unlisten(l)
	loop.Drop(l.fd)
	x.listeners = append(x.listeners[:i:i], x.listeners[i+1:]...)
	x.ending--
}
