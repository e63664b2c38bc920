package loop

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sockaddrSize = uint32(unsafe.Sizeof(unix.RawSockaddrAny{}))

// Peer is the address of a client as accept left it.
type Peer struct {
	raw  unix.RawSockaddrAny
	size uint32
}

// AddrPort is the client's address and port; the zero value for a unix socket.
// An IPv4 client of an IPv6 socket stays mapped, as getpeername shows it.
func (p *Peer) AddrPort() netip.AddrPort {
	switch p.raw.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), port(&sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&p.raw))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), port(&sa.Port))
	}
	return netip.AddrPort{}
}

// port is in network order in memory.
func port(p *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}
