package listen

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dropSYN is a classic BPF program over a TCP segment that drops those with
// the SYN flag and passes all others.
var dropSYN = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // the flags
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 0, Jf: 1, K: 0x02},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
}

// Refuse lets no new connection into the queues, while those in it can still be
// accepted and served. To close a socket with a filled queue would reset them.
// A client's SYN is repeated after a second and then finds the port closed,
// which is a clean refusal.
//
// Only at a final stop: the filter belongs to the socket, in all processes that
// share it, for good. Inherited sockets therefore are left alone: they may have
// another holder. For unix sockets Close does the same by removing the path.
func (s Set) Refuse() error {
	for _, have := range s {
		if have.Asked.Kind != TCP {
			continue
		}
		if err := have.Refuse(); err != nil {
			return err
		}
	}
	return nil
}

// Refuse does that to one TCP socket.
func (s *Socket) Refuse() error {
	prog := unix.SockFprog{Len: uint16(len(dropSYN)), Filter: &dropSYN[0]}
	if err := unix.SetsockoptSockFprog(s.FD, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("refusing connections on %s: %w", s.Asked, err)
	}
	return nil
}
