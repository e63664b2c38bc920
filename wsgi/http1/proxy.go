package http1

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// ProxyMode is the setting proxy_protocol.
type ProxyMode uint8

// Modes of the PROXY protocol.
const (
	ProxyOff  ProxyMode = iota
	ProxyV1             // text
	ProxyV2             // binary
	ProxyAuto           // either
)

// Proxied is what a PROXY header says of a connection. Without addresses (v1 UNKNOWN, v2 LOCAL and UNSPEC) both
// are the zero value, and the addresses of the socket stand.
type Proxied struct {
	Protocol            string // TCP4, TCP6, UNKNOWN, LOCAL or UNSPEC
	Source, Destination netip.AddrPort
}

const (
	proxyLineMax = 107     // of a version 1 line, with CRLF
	proxyDataMax = 4 << 10 // of a version 2 header after its fixed part: addresses and TLVs
	proxyFixed   = 16      // fixed part of a version 2 header
)

var (
	proxyText   = []byte("PROXY ")
	proxyBinary = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// ParseProxy reads a PROXY header (HAProxy's specification, 2020) from the start of a connection. n is its
// length; n == 0 with a nil error says that there is none, which Gunicorn takes for plain HTTP. The other
// outcomes are ErrPartial and an *Error; the longest header is 4112 bytes. Whether the peer is allowed to send
// one (proxy_allow_ips) is for the caller to know.
func ParseProxy(mode ProxyMode, buf []byte) (p Proxied, n int, err error) {
	if mode == ProxyV1 || mode == ProxyAuto {
		switch prefix(buf, proxyText) {
		case yes:
			return parseProxyLine(buf)
		case open:
			return p, 0, ErrPartial
		}
	}
	if mode == ProxyV2 || mode == ProxyAuto {
		switch prefix(buf, proxyBinary) {
		case yes:
			return parseProxyBinary(buf)
		case open:
			return p, 0, ErrPartial
		}
	}
	return p, 0, nil
}

// answer to "does buf begin with this?", as far as buf has come.
type answer uint8

const (
	no answer = iota
	open
	yes
)

func prefix(buf, want []byte) answer {
	n := min(len(buf), len(want))
	switch {
	case !bytes.Equal(buf[:n], want[:n]):
		return no
	case n < len(want):
		return open
	}
	return yes
}

// parseProxyLine reads version 1: PROXY TCP4|TCP6 source destination port port CRLF, or PROXY UNKNOWN and
// anything. Gunicorn refuses UNKNOWN, which HAProxy's own health checks send.
func parseProxyLine(buf []byte) (p Proxied, n int, err error) {
	end := bytes.IndexByte(buf[:min(len(buf), proxyLineMax)], '\n')
	if end < 0 {
		if len(buf) >= proxyLineMax {
			return p, 0, errProxyLine
		}
		return p, 0, ErrPartial
	}
	line := buf[len(proxyText):end]
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return p, 0, errProxyLine
	}
	line = line[:len(line)-1]
	family, rest := word(line)
	if string(family) == "UNKNOWN" {
		return Proxied{Protocol: "UNKNOWN"}, end + 1, nil
	}
	source, rest := word(rest)
	destination, rest := word(rest)
	sourcePort, destinationPort := word(rest)
	ok1, ok2 := false, false
	p.Source, ok1 = proxyEndpoint(family, source, sourcePort)
	p.Destination, ok2 = proxyEndpoint(family, destination, destinationPort)
	if !ok1 || !ok2 {
		return Proxied{}, 0, errProxyLine
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

// proxyEndpoint reads an address of the family and a port.
func proxyEndpoint(family, address, port []byte) (netip.AddrPort, bool) {
	n, ok := parsePort(port)
	if !ok || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	switch string(family) {
	case "TCP4":
		ip, ok := parseIPv4(address)
		return netip.AddrPortFrom(ip, n), ok
	case "TCP6":
		ip, ok := parseIPv6(address)
		return netip.AddrPortFrom(ip, n), ok
	}
	return netip.AddrPort{}, false
}

// parseProxyBinary reads version 2. TLVs are skipped.
func parseProxyBinary(buf []byte) (p Proxied, n int, err error) {
	if len(buf) < proxyFixed {
		return p, 0, ErrPartial
	}
	command, family := buf[12], buf[13]
	size := int(binary.BigEndian.Uint16(buf[14:]))
	if command != 0x20 && command != 0x21 || size > proxyDataMax {
		return p, 0, errProxyBin
	}
	n = proxyFixed + size
	if len(buf) < n {
		return p, 0, ErrPartial
	}
	data := buf[proxyFixed:n]
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
	return p, 0, errProxyBin
}

func endpoint(a netip.Addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
