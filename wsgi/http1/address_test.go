package http1

import (
	"net/netip"
	"testing"
)

// The readers of addresses below were ours before netip's; for one release they are what that is compared with.

// FuzzAddress: netip takes the addresses that ours took, for the same ones.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"", "127.0.0.1", "01.2.3.4", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "1.2.3.4%e", "0.0.0.0", "::", "::1", "1::", "1::2", "2001:db8::1",
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8::", "1::2::3", "::1.2.3.4",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "::ffff:1.2.3.4", ":1", "1:", ":::", "1:::2", "12345::", "g::",
		"::1%eth0", "fe80::1%", "fe80::1%eth0", ":", "FFFF::aBcD",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		four, ok4 := referenceIPv4(b)
		if got, err := netip.ParseAddr(string(b)); (err == nil && got.Is4()) != ok4 || ok4 && got != netip.AddrFrom4(four) {
			t.Errorf("IPv4 %q: %v %v, was %v %v", b, got, err, four, ok4)
		}
		six, ok6 := referenceIPv6(b)
		if got, ok := parseIPv6(b); ok != ok6 || ok && got != netip.AddrFrom16(six) {
			t.Errorf("IPv6 %q: %v %v, was %v %v", b, got, ok, six, ok6)
		}
	})
}

// referenceIPv4 reads four decimal numbers of at most 255, without leading zeros.
func referenceIPv4(b []byte) (ip [4]byte, ok bool) {
	for k := range 4 {
		n, digits := 0, 0
		for digits < len(b) && digits < 3 && class[b[digits]]&isDigit != 0 {
			n = n*10 + int(b[digits]-'0')
			digits++
		}
		if digits == 0 || n > 255 || digits > 1 && b[0] == '0' {
			return ip, false
		}
		ip[k] = byte(n)
		b = b[digits:]
		if k < 3 {
			if len(b) == 0 || b[0] != '.' {
				return ip, false
			}
			b = b[1:]
		}
	}
	return ip, len(b) == 0
}

// referenceIPv6 reads the text forms of RFC 4291 section 2.2.
func referenceIPv6(b []byte) (ip [16]byte, ok bool) {
	n, gap := 0, -1
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = 0, b[2:]
	}
	for len(b) > 0 && n < 16 {
		digits := skip(b, 0, min(len(b), 5), isHex)
		if digits < len(b) && b[digits] == '.' {
			v4, ok4 := referenceIPv4(b)
			if !ok4 || n > 12 {
				return ip, false
			}
			n += copy(ip[n:], v4[:])
			b = nil
			break
		}
		if digits == 0 || digits > 4 {
			return ip, false
		}
		v := hexValue(b[:digits])
		ip[n], ip[n+1] = byte(v>>8), byte(v)
		n, b = n+2, b[digits:]
		if len(b) == 0 {
			break
		}
		if b[0] != ':' || len(b) == 1 {
			return ip, false
		}
		if b = b[1:]; b[0] == ':' {
			if gap >= 0 {
				return ip, false
			}
			gap, b = n, b[1:]
		}
	}
	return spread(ip, n, gap), len(b) == 0 && (n == 16 && gap < 0 || n < 16 && gap >= 0)
}

// spread opens the gap that "::" stands for.
func spread(ip [16]byte, n, gap int) (out [16]byte) {
	if gap < 0 {
		return ip
	}
	copy(out[:gap], ip[:gap])
	copy(out[16-(n-gap):], ip[gap:n])
	return out
}

// hexValue is the value of at most 16 hex digits.
func hexValue(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<4 | uint64(hexDigit(c))
	}
	return v
}
