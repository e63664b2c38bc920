package loop

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many events one wait brings at most.
const batch = 128

// Interest in a descriptor. Connections are edge-triggered: one registration
// serves a connection's whole life, and a connection that another thread
// serves, or that must not be read now, wakes nobody twice.
const (
	ReadEdge   = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	DuplexEdge = ReadEdge | unix.EPOLLOUT
	ReadLevel  = unix.EPOLLIN
	// ReadShared wakes one of the processes that wait on a listener, not all.
	ReadShared = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
)

// Dead, in an Event's Mask, is a connection that has ended in both directions.
const Dead = unix.EPOLLHUP

// Event is one thing that happened. Gen is the number given to Add: a
// descriptor that was closed and reused in between has another one.
type Event struct {
	FD   int
	Gen  uint32
	Mask uint32
}

// Readable tells whether a read would not block; a FIN or an error count.
func (e Event) Readable() bool {
	return e.Mask&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Writable tells whether a write would not block; an error counts.
func (e Event) Writable() bool {
	return e.Mask&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Broken tells that the connection is dead in both directions.
func (e Event) Broken() bool { return e.Mask&(unix.EPOLLHUP|unix.EPOLLERR) != 0 }

// Ended tells that the peer has sent its FIN, or that the connection is dead.
func (e Event) Ended() bool {
	return e.Mask&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Poller is an epoll set with one batch of events. It is used by one thread at
// a time; Add, Change and Remove may be called from any.
type Poller struct {
	fd     int
	events [batch]unix.EpollEvent
	next   int
	n      int
}

// NewPoller makes an empty set.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating epoll set: %w", err)
	}
	return &Poller{fd: fd}, nil
}

// FD is the set's own descriptor, owned by the Poller.
func (p *Poller) FD() int { return p.fd }

// Close drops the set; descriptors in it are the caller's.
func (p *Poller) Close() { _ = unix.Close(p.fd) }

// Add registers fd. Its events carry gen.
func (p *Poller) Add(fd int, gen, interest uint32) unix.Errno {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, gen, interest)
}

// Change replaces the interest of a registered fd. An edge that is already
// there is reported again.
func (p *Poller) Change(fd int, gen, interest uint32) unix.Errno {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, gen, interest)
}

// Remove takes fd out. It must be called before close: while another process
// holds a copy of the descriptor, close alone leaves it registered.
func (p *Poller) Remove(fd int) { p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *Poller) ctl(op, fd int, gen, interest uint32) unix.Errno {
	ev := unix.EpollEvent{Events: interest, Fd: int32(fd), Pad: int32(gen)}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// Next is the next event of the batch; false when the batch is used up.
func (p *Poller) Next() (Event, bool) {
	if p.next == p.n {
		return Event{}, false
	}
	ev := &p.events[p.next]
	p.next++
	return Event{FD: int(ev.Fd), Gen: uint32(ev.Pad), Mask: ev.Events}, true
}

// Ahead is the event that Next gives after n others; n is less than Left.
func (p *Poller) Ahead(n int) Event {
	ev := &p.events[p.next+n]
	return Event{FD: int(ev.Fd), Gen: uint32(ev.Pad), Mask: ev.Events}
}

// Left is the number of events of the batch not yet taken.
func (p *Poller) Left() int { return p.n - p.next }

// Poll fetches a batch without waiting and tells its size. The raw call does not
// let the scheduler think that this thread is blocked.
func (p *Poller) Poll() int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batch, 0, 0, 0)
	return p.took(int(n), e)
}

// Wait fetches a batch, waiting up to so many milliseconds (-1: for ever).
// interrupted tells that a signal handler ran.
func (p *Poller) Wait(timeout int) (n int, interrupted bool) {
	r, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batch, uintptr(timeout), 0, 0)
	return p.took(int(r), e), e == unix.EINTR
}

func (p *Poller) took(n int, e unix.Errno) int {
	if e != 0 {
		n = 0
	}
	p.next, p.n = 0, n
	return n
}
