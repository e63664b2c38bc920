package http1

import "bytes"

// validHost checks host [":" port] as RFC 9110 section 7.2 and RFC 3986 section 3.2.2 have it. The host must not
// be empty, and a comma is refused though the grammar has it: two joined Host values look like that. needPort
// asks for the port, as CONNECT does.
func validHost(b []byte, needPort bool) bool {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		i = bytes.IndexByte(b, ']') + 1
		if i < 2 || !validLiteral(b[1:i-1]) {
			return false
		}
	} else if i = regName(b); i == 0 {
		return false
	}
	if i == len(b) {
		return !needPort
	}
	return b[i] == ':' && validPort(b[i+1:], needPort)
}

// regName returns the length of the reg-name that b begins with; a '%' without two hex digits ends it.
func regName(b []byte) int {
	i := skip(b, 0, len(b), isHost)
	for i+2 < len(b) && b[i] == '%' && class[b[i+1]]&class[b[i+2]]&isHex != 0 {
		i = skip(b, i+3, len(b), isHost)
	}
	return i
}

// validPort says whether b is a port number; an empty one stands for the default port unless need is set.
func validPort(b []byte, need bool) bool {
	if len(b) == 0 {
		return !need
	}
	_, ok := parsePort(b)
	return ok
}

// parsePort reads 1 to 5 digits of at most 65535.
func parsePort(b []byte) (uint16, bool) {
	n := 0
	for _, c := range b {
		if class[c]&isDigit == 0 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), len(b) > 0 && len(b) <= 5 && n <= 0xffff
}

// validLiteral checks what stands between the brackets of an IP literal: IPv6 without a zone, or IPvFuture.
func validLiteral(b []byte) bool {
	if len(b) > 0 && b[0]|0x20 == 'v' {
		i := skip(b, 1, len(b), isHex)
		if i == 1 || i+1 >= len(b) || b[i] != '.' {
			return false
		}
		for _, c := range b[i+1:] {
			if class[c]&isHost == 0 && c != ':' {
				return false
			}
		}
		return true
	}
	_, ok := parseIPv6(b)
	return ok
}

// parseIPv4 reads four decimal numbers of at most 255, without leading zeros.
func parseIPv4(b []byte) (ip [4]byte, ok bool) {
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

// parseIPv6 reads the text forms of RFC 4291 section 2.2.
func parseIPv6(b []byte) (ip [16]byte, ok bool) {
	n, gap := 0, -1
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = 0, b[2:]
	}
	for len(b) > 0 && n < 16 {
		digits := skip(b, 0, min(len(b), 5), isHex)
		if digits < len(b) && b[digits] == '.' {
			v4, ok4 := parseIPv4(b)
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

// hexDigit is the value of a byte of class isHex.
func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
