package loop

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signal wakes one OS thread. It is a futex, because the threads that wait here
// are locked to their goroutines: a channel would go through the scheduler,
// which takes some ten microseconds to bring a locked thread back.
type Signal struct{ word atomic.Uint32 }

const (
	unset   = 0
	set     = 1
	awaited = 2
)

// linux/futex.h
const (
	futexWaitPrivate = 128
	futexWakePrivate = 129
)

// brief is the wait, in ns, during which the thread keeps its processor of Go's
// scheduler. Otherwise each of them has it taken away, and the scheduler's
// monitor goes on looking every 20 us: it, too, is a thread that wants to run.
// Who wants to stop the world interrupts the wait with a signal.
const brief = 5e6

// KeepTime has the waits of the calling OS thread, one of Go's, end when they are
// due: it is made with the slack that is meant for the scheduler's monitor
// (GO_SLACK, cgo/process_signals.c).
func KeepTime() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 50_000, 0, 0, 0) // the kernel's own; one that refuses has no slack to change
}

// Set wakes the thread in Wait, or lets its next Wait return at once.
func (s *Signal) Set() {
	if s.word.Swap(set) == awaited {
		_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.word)), futexWakePrivate, 1, 0, 0, 0)
	}
}

// IsSet tells whether the next Wait returns at once.
func (s *Signal) IsSet() bool { return s.word.Load() == set }

// Wait returns true once Set was called, which is forgotten then, or false
// after timeout nanoseconds; 0 waits for ever. One thread at a time may wait.
func (s *Signal) Wait(timeout int64) bool {
	deadline := int64(0)
	if timeout > 0 {
		deadline = Now() + timeout
	}
	for {
		if s.word.CompareAndSwap(set, unset) {
			return true
		}
		s.word.CompareAndSwap(unset, awaited)
		left := int64(0)
		if deadline > 0 {
			if left = deadline - Now(); left <= 0 {
				return !s.word.CompareAndSwap(awaited, unset) && s.word.CompareAndSwap(set, unset)
			}
		}
		s.sleep(left)
	}
}

// sleep blocks while the word says awaited, at most so many ns; 0: for ever.
func (s *Signal) sleep(left int64) {
	var p unsafe.Pointer
	ts := unix.NsecToTimespec(left)
	if left > 0 {
		p = unsafe.Pointer(&ts)
	}
	if left > 0 && left <= brief {
		_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.word)), futexWaitPrivate, awaited, uintptr(p), 0, 0)
		return
	}
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.word)), futexWaitPrivate, awaited, uintptr(p), 0, 0)
}

// Waker makes an epoll set return: an eventfd, registered level-triggered.
type Waker struct{ fd int }

// NewWaker makes one.
func NewWaker() (*Waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &Waker{fd}, nil
}

// FD is the descriptor to register; the Waker owns it.
func (w *Waker) FD() int { return w.fd }

// Wake makes it readable.
func (w *Waker) Wake() { _, _ = unix.Write(w.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// Clear makes it not readable.
func (w *Waker) Clear() {
	var b [8]byte
	_, _ = unix.Read(w.fd, b[:])
}

// Close closes the descriptor.
func (w *Waker) Close() { _ = unix.Close(w.fd) }
