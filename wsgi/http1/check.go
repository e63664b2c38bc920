package http1

// ParseStatus reads an application's status, "NNN reason" or "NNN" (PEP 3333, RFC 9112 section 4): a code of 100
// to 999, then a SP and a reason without control bytes. ok is false for anything else.
func ParseStatus(b []byte) (code int, ok bool) {
	if len(b) < 3 || len(b) > 3 && b[3] != ' ' || b[0] == '0' {
		return 0, false
	}
	for _, c := range b[:3] {
		if class[c]&isDigit == 0 {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, ValidValue(b[3:])
}

// ValidName says whether b is a header name: a token (RFC 9110 section 5.1).
func ValidName(b []byte) bool { return len(b) > 0 && skip(b, 0, len(b), isToken) == len(b) }

// ValidValue says whether b may stand in a header value: HTAB, SP, visible ASCII and 0x80 to 0xFF
// (RFC 9110 section 5.5). No CR, LF or NUL passes.
func ValidValue(b []byte) bool { return skipValue(b, 0, len(b)) == len(b) }

// HopByHop says whether a response header of that name is the server's business and never an application's
// (PEP 3333, RFC 9110 section 7.6.1).
func HopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return EqualFold(name, "te")
	case 7:
		return EqualFold(name, "upgrade")
	case 8:
		return EqualFold(name, "trailers")
	case 10:
		return EqualFold(name, "connection") || EqualFold(name, "keep-alive")
	case 16:
		return EqualFold(name, "proxy-connection")
	case 17:
		return EqualFold(name, "transfer-encoding")
	case 18:
		return EqualFold(name, "proxy-authenticate")
	case 19:
		return EqualFold(name, "proxy-authorization")
	}
	return false
}

// BodyAllowed says whether a response with this status may have content: not 1xx, 204 and 304
// (RFC 9110 section 6.4.1). The answer to HEAD has none either way.
func BodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }
