package accesslog

import (
	"encoding/base64"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText writes a looked-up value under a spec: cut to the precision, escaped, in quotes for %r. nil is "-".
func appendText(dst, value []byte, s spec) []byte {
	dst = quote(dst, s)
	if value == nil {
		if s.precision != 0 {
			dst = append(dst, '-')
		}
	} else {
		dst = appendEscaped(dst, cutRunes(value, s.precision))
	}
	return quote(dst, s)
}

// quote writes the quote that %r and %a put at both ends of text.
func quote(dst []byte, s spec) []byte {
	if s.verb == 's' {
		return dst
	}
	return append(dst, '\'')
}

// cutRunes gives the first n characters of value, all of it for a negative n.
func cutRunes(value []byte, n int) []byte {
	if n < 0 || n >= len(value) {
		return value
	}
	end := 0
	for range n {
		if end == len(value) {
			break
		}
		_, size := utf8.DecodeRune(value[end:])
		end += size
	}
	return value[:end]
}

// harmless marks the bytes that stand for themselves: printable ASCII without the quote and the backslash.
var harmless = func() (table [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// appendEscaped writes text so that it cannot end the quoted field or the line it stands in.
func appendEscaped(dst, text []byte) []byte {
	plain := 0 // start of what needs no escaping
	for i := 0; i < len(text); {
		c := text[i]
		if harmless[c] {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRune(text[i:]); !(r == utf8.RuneError && size == 1) && plainRune(r) {
				i += size
				continue
			}
		}
		dst = append(dst, text[plain:i]...)
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			for _, b := range text[i : i+size] {
				dst = append(dst, '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
			}
		}
		i += size
		plain = i
	}
	return append(dst, text[plain:]...)
}

// appendUser writes the user's name as text does, and its spaces as \x20: the field has no quotes in the usual formats,
// so that a space in it would shift all fields after it.
func appendUser(dst, name []byte, s spec) []byte {
	name = cutRunes(name, s.precision)
	if name == nil {
		return appendText(dst, nil, s)
	}
	dst = quote(dst, s)
	for i, start := 0, 0; i <= len(name); i++ {
		if i == len(name) || name[i] == ' ' {
			dst = appendEscaped(dst, name[start:i])
			if i < len(name) {
				dst = append(dst, `\x20`...)
			}
			start = i + 1
		}
	}
	return quote(dst, s)
}

// user gives the name in a Basic Authorization header, or nil if there is none that can be read. Like Gunicorn it
// leaves out characters that do not belong to base64. The result lasts until the next call.
func (e *Entry) user() []byte {
	auth := e.Source.RequestHeader("authorization")
	const scheme = "basic"
	if len(auth) <= len(scheme) || !equalFold(auth[:len(scheme)], scheme) {
		return nil
	}
	for len(auth) > 0 && auth[0] != ' ' {
		auth = auth[1:]
	}
	coded := e.scratch[:0]
	for _, c := range auth {
		if c == '+' || c == '/' || c == '=' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			coded = append(coded, c)
		}
	}
	n := len(coded)
	all, err := base64.StdEncoding.AppendDecode(coded, coded)
	e.scratch = all[:0]
	if err != nil {
		return nil
	}
	name := all[n:]
	for i, c := range name {
		if c == ':' {
			name = name[:i]
			break
		}
	}
	if len(name) == 0 || !utf8.Valid(name) {
		return nil
	}
	return name
}

func equalFold(text []byte, lower string) bool {
	for i := range text {
		if text[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// plainRune tells runes that only show themselves from C1 controls, line and
// paragraph separators, and marks that turn the direction of what follows.
func plainRune(r rune) bool {
	return r >= 0xa0 && (r < 0x2028 || r > 0x202e) && (r < 0x2066 || r > 0x2069)
}
