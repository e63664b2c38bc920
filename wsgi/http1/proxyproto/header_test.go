package proxyproto

import (
	"net/netip"
	"strings"
	"testing"
)

const (
	v2sig = "\r\n\r\n\x00\r\nQUIT\n"
	v2tcp = v2sig + "\x21\x11\x00\x0c\xc0\xa8\x01\x0a\xc0\xa8\x01\x01\x30\x39\x01\xbb"
)

// v6 is the address part of a version 2 header from [::1]:80 to [::2]:81.
var v6 = strings.Repeat("\x00", 15) + "\x01" + strings.Repeat("\x00", 15) + "\x02" + "\x00\x50\x00\x51"

// cases are connections that begin with raw.
var cases = []struct {
	name         string
	mode         Mode
	raw          string
	source, dest string // empty = none
	refused      bool
	absent       bool
}{
	{name: "v1 TCP4", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", source: "192.168.0.1:56324", dest: "192.168.0.11:443"},
	{name: "v1 TCP6", mode: Auto, raw: "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", source: "[2001:db8::1]:0", dest: "[::1]:65535"},
	{name: "v1 UNKNOWN", mode: V1, raw: "PROXY UNKNOWN\r\n"},
	{name: "v1 UNKNOWN with anything", mode: V1, raw: "PROXY UNKNOWN ffff::1 what ever\r\n"},
	{name: "v1 cut", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.16...\r\n", refused: true},
	{name: "v1 bad port", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 65iii 100000\r\n", refused: true},
	{name: "v1 port with a sign", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 +1 443\r\n", refused: true},
	{name: "v1 port with a zero before it", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 01 443\r\n", refused: true},
	{name: "v1 no port", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 1 \r\n", refused: true},
	{name: "v1 address with a zone", mode: V1, raw: "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", refused: true},
	{name: "v1 port too large", mode: V1, raw: "PROXY TCP4 192.168.0.1 192.168.0.11 1 65536\r\n", refused: true},
	{name: "v1 no address", mode: V1, raw: "PROXY TCP4 not-an-ip 192.168.0.11 56324 443\r\n", refused: true},
	{name: "v1 address of the other family", mode: V1, raw: "PROXY TCP4 ::1 ::1 1 2\r\n", refused: true},
	{name: "v1 unknown family", mode: V1, raw: "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", refused: true},
	{name: "v1 too many words", mode: V1, raw: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", refused: true},
	{name: "v1 two spaces", mode: V1, raw: "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", refused: true},
	{name: "v1 bare LF", mode: V1, raw: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", refused: true},
	{name: "v1 nothing", mode: V1, raw: "PROXY \r\n", refused: true},
	{name: "v1 longer than 107 bytes", mode: V1, raw: "PROXY UNKNOWN " + strings.Repeat("a", 92) + "\r\n", refused: true},
	{name: "v1 without an end", mode: V1, raw: "PROXY " + strings.Repeat("a", 101), refused: true},
	{name: "v1 not asked for", mode: V2, raw: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", absent: true},
	{name: "v2 IPv4 (TCP4)", mode: V2, raw: v2tcp, source: "192.168.1.10:12345", dest: "192.168.1.1:443"},
	{name: "v2 IPv6 (TCP6)", mode: Auto, raw: v2sig + "\x21\x21\x00\x24" + v6, source: "[::1]:80", dest: "[::2]:81"},
	{name: "v2 TCP4 with TLVs", mode: Auto, raw: v2sig + "\x21\x11\x00\x10" + v2tcp[16:] + "\x04\x00\x01\x00", source: "192.168.1.10:12345", dest: "192.168.1.1:443"},
	{name: "v2 LOCAL", mode: V2, raw: v2sig + "\x20\x00\x00\x00"},
	{name: "v2 UNSPEC", mode: V2, raw: v2sig + "\x21\x00\x00\x00"},
	{name: "v2 version 3", mode: V2, raw: v2sig + "\x31\x11\x00\x00", refused: true},
	{name: "v2 unknown command", mode: V2, raw: v2sig + "\x22\x11\x00\x00", refused: true},
	{name: "v2 datagram", mode: V2, raw: v2sig + "\x21\x12\x00\x0c" + v2tcp[16:], refused: true},
	{name: "v2 too short for its family", mode: V2, raw: v2sig + "\x21\x21\x00\x0c" + v2tcp[16:], refused: true},
	{name: "v2 too long", mode: V2, raw: v2sig + "\x21\x11\xff\xff", refused: true},
	{name: "v2 not asked for", mode: V1, raw: v2tcp, absent: true},
	{name: "none", mode: Auto, raw: "GET / HTTP/1.1\r\n", absent: true},
	{name: "method with the same beginning", mode: Auto, raw: "PROPFIND / HTTP/1.1\r\n", absent: true},
	{name: "empty lines before a request", mode: Auto, raw: "\r\nGET / HTTP/1.1\r\n", absent: true},
	{name: "off", mode: Off, raw: v2tcp, absent: true},
}

func TestHeaders(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, n, err := Parse(c.mode, []byte(c.raw+"GET /"))
			switch {
			case c.refused:
				if n != 0 || err == nil || err == ErrPartial {
					t.Errorf("got %v %d %v, want it refused", p, n, err)
				}
				return
			case c.absent:
				if n != 0 || err != nil {
					t.Errorf("got %v %d %v, want none", p, n, err)
				}
				return
			}
			if err != nil || n != len(c.raw) || address(p.Source) != c.source || address(p.Destination) != c.dest {
				t.Errorf("got %v %d %v", p, n, err)
			}
			if !strings.Contains(c.name, p.Protocol) || p.Protocol == "" {
				t.Errorf("protocol %q", p.Protocol)
			}
			for i := range len(c.raw) {
				if _, n, err := Parse(c.mode, []byte(c.raw[:i])); err != ErrPartial {
					t.Errorf("first %d bytes: got %d %v, want it partial", i, n, err)
				}
			}
		})
	}
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// FuzzHeader: no header reads beyond the input, and none is decided on by less than all of it.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{v2tcp, v2sig + "\x20\x00\x00\x00", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "PROXY TCP6 ::1 2001:db8::1 1 2\r\n", "PROXY UNKNOWN\r\n", "GET /"} {
		f.Add([]byte(s), uint8(Auto))
	}
	f.Fuzz(func(t *testing.T, raw []byte, mode uint8) {
		p, n, err := Parse(Mode(mode%4), raw)
		if n > len(raw) || err != nil && n != 0 || p.Source.IsValid() != p.Destination.IsValid() {
			t.Fatalf("%q: %v %d %v", raw, p, n, err)
		}
		for i := range min(n, 300) {
			if _, k, err := Parse(Mode(mode%4), raw[:i]); err != ErrPartial {
				t.Fatalf("%q: first %d of %d bytes: %d %v", raw, i, n, k, err)
			}
		}
	})
}

// An address in text is copied for net/netip: two for a line, which a connection has once.
func TestOnlyAddressesInTextAreCopied(t *testing.T) {
	line, binary := []byte("PROXY TCP6 2001:db8::1 ::1 80 443\r\n"), []byte(v2tcp)
	for name, c := range map[string]struct {
		copies float64
		raw    []byte
	}{"version 1": {2, line}, "version 2": {0, binary}} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = Parse(Auto, c.raw) }); n != c.copies {
			t.Errorf("%s: %v allocations, want %v", name, n, c.copies)
		}
	}
}
