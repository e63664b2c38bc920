package http1

import (
	"bytes"
	"net/netip"
)

// splitTarget finds form, authority, path and query of the request target (RFC 9112 section 3.2).
func (p *Policy) splitTarget(buf []byte, r *Request) error {
	t := r.Target.Of(buf)
	from, end := r.mark, r.mark+len(t)
	if string(r.Method.Of(buf)) == "CONNECT" {
		if !validHost(t, true) {
			return errTargetForm
		}
		return errConnect
	}
	if i := bytes.IndexByte(t, '#'); i >= 0 {
		if !p.PermitFragment {
			return errFragment
		}
		end = r.mark + i
		t = t[:i]
	}
	switch {
	case len(t) > 0 && t[0] == '/':
		r.Form = Origin
	case string(t) == "*":
		if string(r.Method.Of(buf)) != "OPTIONS" {
			return errAsterisk
		}
		r.Form = Asterisk
	default:
		n, err := authority(t, r)
		if err != nil {
			return err
		}
		r.Form = Absolute
		from += n
	}
	r.Path = span(from, end)
	if i := bytes.IndexByte(buf[from:end], '?'); i >= 0 {
		r.Path = span(from, from+i)
		r.Query = span(from+i+1, end)
	}
	return nil
}

// authority checks scheme and authority of an absolute-form target and returns the offset of its path.
// Userinfo is refused, as RFC 9110 section 4.2.4 advises.
func authority(t []byte, r *Request) (int, error) {
	colon := bytes.IndexByte(t, ':')
	if colon <= 0 || len(t) < colon+3 || t[colon+1] != '/' || t[colon+2] != '/' {
		return 0, errTargetForm
	}
	if s := t[:colon]; !EqualFold(s, "http") && !EqualFold(s, "https") {
		return 0, errTargetScheme
	}
	from := colon + len("://")
	end := from
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		end++
	}
	if !validHost(t[from:end], false) {
		return 0, errTargetHost
	}
	r.Authority = span(r.mark+from, r.mark+end)
	return end, nil
}

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

// parseIPv6 reads an address without a zone; the copy costs something, and only literals pay for it.
func parseIPv6(b []byte) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(string(b))
	return ip, err == nil && ip.Is6() && ip.Zone() == ""
}

// hexDigit is the value of a byte of class isHex.
func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
