package listen

import (
	"golang.org/x/sys/unix"
)

// Inherit takes over the sockets of the master that this one is to replace.
// They come in the order of its bind setting, which may differ from ours:
// those that are bound to one of addrs become that address's socket, the
// others are closed here and go on in the old master. A descriptor that is no
// socket is left out. beside has what is bound to an address of addrs that has
// its socket already: those of its other workers, with --reuse-port.
func Inherit(fds []int, addrs []Addr) (set, beside Set) {
	taken := map[Addr]bool{}
	for i, fd := range fds {
		s, err := adopt(Addr{Kind: FD, FD: fd})
		if err != nil {
			_ = unix.Close(fd)
			continue
		}
		asked, ok := s.wanted(addrs, taken)
		if !ok && len(fds) == len(addrs) && addrs[i].Kind == FD && !taken[addrs[i]] {
			asked, ok = addrs[i], true // fd://N: the number is the old master's
		}
		if first := set.boundTo(s); !ok && first != nil {
			s.Asked = first.Asked
			beside = append(beside, s)
			continue
		}
		if !ok {
			_ = unix.Close(fd)
			continue
		}
		taken[asked] = true
		s.Asked = asked
		s.own()
		set = append(set, s)
	}
	return set, beside
}

// wanted finds the address that a bound socket serves: an equal one before one
// that left the port to the kernel.
func (s *Socket) wanted(addrs []Addr, taken map[Addr]bool) (Addr, bool) {
	for _, anyPort := range []bool{false, true} {
		for _, a := range addrs {
			if !taken[a] && s.serves(a, anyPort) {
				return a, true
			}
		}
	}
	return Addr{}, false
}

func (s *Socket) serves(a Addr, anyPort bool) bool {
	if a.Kind != s.Bound.Kind {
		return false
	}
	if a.Kind == Unix {
		return a.Path == s.Bound.Path
	}
	if a.Port != s.Bound.Port && !(anyPort && a.Port == 0) {
		return false
	}
	sa, _, err := resolve(a)
	if err != nil {
		return false
	}
	here, err := unix.Getsockname(s.FD)
	if err != nil {
		return false
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		other, ok := here.(*unix.SockaddrInet4)
		return ok && other.Addr == sa.Addr
	case *unix.SockaddrInet6:
		other, ok := here.(*unix.SockaddrInet6)
		return ok && other.Addr == sa.Addr
	}
	return false
}

// boundTo gives the TCP socket with the same address, nil if there is none.
func (s Set) boundTo(other *Socket) *Socket {
	for _, have := range s {
		if have.Bound.Kind == TCP && have.Bound == other.Bound {
			return have
		}
	}
	return nil
}

// own notes the path of a unix socket, which is ours to remove in the end.
func (s *Socket) own() {
	if s.Asked.Kind != Unix || s.Bound.Path == "" || s.Bound.Path[0] == 0 {
		return
	}
	var st unix.Stat_t
	if unix.Lstat(s.Asked.Path, &st) == nil {
		s.unlink, s.dev, s.ino = true, st.Dev, st.Ino
	}
}

// Leave closes what s has and next has not, like Replace, but leaves the paths
// of unix sockets where they are: another master serves there.
func (s Set) Leave(next Set) {
	for _, have := range s {
		if next.find(have.Asked) == nil {
			have.Close(false)
		}
	}
}
