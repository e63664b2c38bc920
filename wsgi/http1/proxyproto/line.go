package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
)

const lineMax = 107 // bytes of a version 1 line, with CRLF

var lineStart = []byte("PROXY ")

// parseLine reads version 1: PROXY TCP4|TCP6 source destination port port CRLF, or PROXY UNKNOWN and
// anything. Gunicorn refuses UNKNOWN, which HAProxy's own health checks send.
func parseLine(buf []byte) (p Header, n int, err error) {
	end := bytes.IndexByte(buf[:min(len(buf), lineMax)], '\n')
	if end < 0 {
		if len(buf) >= lineMax {
			return p, 0, errLine
		}
		return p, 0, ErrPartial
	}
	line := buf[len(lineStart):end]
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return p, 0, errLine
	}
	line = line[:len(line)-1]
	family, rest := word(line)
	if string(family) == "UNKNOWN" {
		return Header{Protocol: "UNKNOWN"}, end + 1, nil
	}
	source, rest := word(rest)
	destination, rest := word(rest)
	sourcePort, destinationPort := word(rest)
	ok1, ok2 := false, false
	p.Source, ok1 = endpointOf(family, source, sourcePort)
	p.Destination, ok2 = endpointOf(family, destination, destinationPort)
	if !ok1 || !ok2 {
		return Header{}, 0, errLine
	}
	p.Protocol = protocolOf(p.Source.Addr())
	return p, end + 1, nil
}

// protocolOf is version 1's word for TCP over the family of a.
func protocolOf(a netip.Addr) string {
	if a.Is4() {
		return "TCP4"
	}
	return "TCP6"
}

// word cuts b at the first SP.
func word(b []byte) (first, rest []byte) {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// endpointOf reads an address of the family, without a zone, and a port without leading zeros.
func endpointOf(family, address, port []byte) (netip.AddrPort, bool) {
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(string(address))
	if err != nil {
		return netip.AddrPort{}, false
	}
	switch string(family) {
	case "TCP4":
		return netip.AddrPortFrom(ip, uint16(n)), ip.Is4()
	case "TCP6":
		return netip.AddrPortFrom(ip, uint16(n)), ip.Is6() && ip.Zone() == ""
	}
	return netip.AddrPort{}, false
}
