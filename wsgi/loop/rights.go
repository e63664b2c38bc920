package loop

import (
	"golang.org/x/sys/unix"
)

// SendFD sends one packet that carries a copy of fd, without blocking.
func SendFD(sock int, packet []byte, fd int) unix.Errno {
	rights := unix.UnixRights(fd)
	for {
		err := unix.Sendmsg(sock, packet, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return errno(err)
		}
	}
}

// RecvFD takes one packet, without blocking. The descriptor is the caller's and
// CLOEXEC; -1 if the packet had none, or the process has no room for it. A
// packet that is larger than b is cut.
func RecvFD(sock int, b []byte) (n, fd int, e unix.Errno) {
	var oob [64]byte
	for {
		n, oobn, _, _, err := unix.Recvmsg(sock, b, oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, -1, errno(err)
		}
		return n, right(oob[:oobn]), None
	}
}

// right is the descriptor of a control message.
func right(oob []byte) int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	for _, fd := range fds[1:] {
		Drop(fd)
	}
	return fds[0]
}

func errno(err error) unix.Errno {
	if err == nil {
		return None
	}
	if e, ok := err.(unix.Errno); ok {
		return e
	}
	return unix.EIO
}

// Drop closes a copy of a connection that another process goes on with: no
// shutdown, which would be the end for both.
func Drop(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
