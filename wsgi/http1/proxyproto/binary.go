package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

const (
	fixedPart = 16      // bytes of a version 2 header before its addresses
	dataMax   = 4 << 10 // bytes of addresses and TLVs
)

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// parseBinary reads version 2. TLVs are skipped.
func parseBinary(buf []byte) (p Header, n int, err error) {
	if len(buf) < fixedPart {
		return p, 0, ErrPartial
	}
	command, family := buf[12], buf[13]
	size := int(binary.BigEndian.Uint16(buf[14:]))
	if command != 0x20 && command != 0x21 || size > dataMax {
		return p, 0, errBinary
	}
	n = fixedPart + size
	if len(buf) < n {
		return p, 0, ErrPartial
	}
	data := buf[fixedPart:n]
	switch {
	case command == 0x20:
		p.Protocol = "LOCAL"
		return p, n, nil
	case family>>4 == 0:
		p.Protocol = "UNSPEC"
		return p, n, nil
	case family == 0x11 && size >= 12:
		p.Source = endpoint(netip.AddrFrom4([4]byte(data[0:4])), data[8:])
		p.Destination = endpoint(netip.AddrFrom4([4]byte(data[4:8])), data[10:])
		p.Protocol = "TCP4"
		return p, n, nil
	case family == 0x21 && size >= 36:
		p.Source = endpoint(netip.AddrFrom16([16]byte(data[0:16])), data[32:])
		p.Destination = endpoint(netip.AddrFrom16([16]byte(data[16:32])), data[34:])
		p.Protocol = "TCP6"
		return p, n, nil
	}
	return p, 0, errBinary
}

func endpoint(a netip.Addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
