// Package loop is what an event loop on one locked OS thread is made of: an
// epoll set whose events know which connection they were meant for, socket
// calls that bypass Go's scheduler, timers and buffers. It knows no HTTP.
package loop

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// None is the Errno of a call that succeeded.
const None unix.Errno = 0

// Again tells whether a call that does not block would have had to wait.
func Again(e unix.Errno) bool { return e == unix.EAGAIN }

// Recv reads what fd holds, at most len(b) bytes, without blocking. Zero bytes
// without an error is the peer's FIN; a short count means fd is empty.
func Recv(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), None
	}
}

// Recvv is Recv into several buffers in order.
func Recvv(fd int, iov []unix.Iovec) (int, unix.Errno) {
	var msg unix.Msghdr
	msg.Iov = unsafe.SliceData(iov)
	msg.SetIovlen(len(iov))
	for {
		n, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), None
	}
}

// sendFlags are those of Send and Sendv.
func sendFlags(more bool) uintptr {
	if more {
		return unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL | unix.MSG_MORE
	}
	return unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
}

// Send writes b to a socket without blocking and without SIGPIPE. more tells
// the kernel that other bytes or the end follow at once (no small packet in
// between).
func Send(fd int, b []byte, more bool) (int, unix.Errno) {
	flags := sendFlags(more)
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(n), None
	}
}

// Sendv writes up to three buffers in order by one system call, as Send.
func Sendv(fd int, segs *[3][]byte, more bool) (int, unix.Errno) {
	var iov [3]unix.Iovec
	n := 0
	for i := range segs {
		if len(segs[i]) > 0 {
			iov[n].Base = unsafe.SliceData(segs[i])
			iov[n].SetLen(len(segs[i]))
			n++
		}
	}
	if n == 1 {
		return Send(fd, unsafe.Slice(iov[0].Base, int(iov[0].Len)), more)
	}
	var msg unix.Msghdr
	msg.Iov = &iov[0]
	msg.SetIovlen(n)
	for {
		r, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), sendFlags(more))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), None
	}
}

// SendFile moves up to n bytes of in from *off to the socket out and advances
// *off. It may wait for a disk, never for the peer. Zero bytes without an error
// is the end of the file.
func SendFile(out, in int, off *int64, n int) (int, unix.Errno) {
	for {
		r, _, e := unix.Syscall6(unix.SYS_SENDFILE, uintptr(out), uintptr(in), uintptr(unsafe.Pointer(off)), uintptr(n), 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), None
	}
}

// Accept takes one connection off the queue of fd; the new descriptor is
// non-blocking and CLOEXEC, and p is filled with the client's address.
func Accept(fd int, p *Peer) (int, unix.Errno) {
	for {
		p.size = sockaddrSize
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&p.raw)), uintptr(unsafe.Pointer(&p.size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), None
	}
}

// NoDelay switches Nagle's algorithm off on a TCP socket.
func NoDelay(fd int) {
	one := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&one)), 4, 0)
}

// HalfClose sends FIN, also when another process holds a copy of fd.
func HalfClose(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

// Close ends a connection. The shutdown makes the peer see the end even while
// a child that the application forked holds a copy of the descriptor.
func Close(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_RDWR, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// Reset ends a connection with RST: the peer must not take what it has for the
// whole answer. Disconnecting does that even while another process holds a copy.
func Reset(fd int) {
	sa := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, _ = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	Close(fd)
}

// Unconfirmed is how many bytes of what was written to the socket its peer has
// not confirmed; 0 if the kernel does not say.
func Unconfirmed(fd int) int {
	var n int32
	_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	return int(n)
}

// Received is how many ns ago bytes have come last, to the millisecond; false: it
// is no TCP socket.
func Received(fd int) (ago int64, known bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	return int64(info.Last_data_recv) * 1e6, true
}

// Unread is how many bytes the socket holds for its reader.
func Unread(fd int) int {
	var n int32
	_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	return int(n)
}

// WaitWritable blocks until the socket takes bytes again or so many
// milliseconds passed (-1: for ever); it tells whether the socket is usable.
func WaitWritable(fd int, timeout int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(p, timeout)
		if err == unix.EINTR {
			continue
		}
		return err == nil && n == 1 && p[0].Revents&unix.POLLOUT != 0
	}
}

// Go's own monotonic clock comes from the vDSO and costs no system call, but
// begins at zero when the process does.
var (
	started = time.Now()
	offset  = monotonic()
)

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// Now is CLOCK_MONOTONIC in nanoseconds, comparable between processes.
func Now() int64 { return offset + int64(time.Since(started)) }

// Descriptors is the process's limit of open files, 2^20 if there is none below.
func Descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return int(l.Cur)
}
