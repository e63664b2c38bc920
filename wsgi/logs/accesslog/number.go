package accesslog

import (
	"bytes"
	"strconv"
)

// appendNumber writes n as Python's % formatting does for an int. n is never negative.
func appendNumber(dst []byte, n int64, s spec) []byte {
	from := len(dst)
	if s.verb != 's' && s.verb != 'r' && s.verb != 'a' {
		switch {
		case s.plus:
			dst = append(dst, '+')
		case s.space:
			dst = append(dst, ' ')
		}
	}
	var digits [80]byte
	switch s.verb {
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return zeroFill(appendFloat(dst, n, s), from, s)
	case 's', 'r', 'a':
		text := strconv.AppendInt(digits[:0], n, 10)
		if s.verb == 's' || s.precision >= 0 {
			text = cutRunes(text, s.precision)
		}
		return append(dst, text...)
	}
	base := 10
	switch s.verb {
	case 'o':
		base = 8
	case 'x', 'X':
		base = 16
	}
	if s.alt && base != 10 {
		dst = append(dst, '0', s.verb)
	}
	text := strconv.AppendInt(digits[:0], n, base)
	if s.verb == 'X' {
		text = bytes.ToUpper(text)
	}
	for range s.precision - len(text) {
		dst = append(dst, '0')
	}
	return zeroFill(append(dst, text...), from, s)
}

func appendFloat(dst []byte, n int64, s spec) []byte {
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	verb := s.verb
	if verb == 'F' {
		verb = 'f'
	}
	if verb|0x20 == 'g' && precision == 0 {
		precision = 1
	}
	return strconv.AppendFloat(dst, float64(n), verb, precision, 64)
}

// zeroFill puts zeros between sign or prefix and digits up to the width, if the 0 flag asks for it.
func zeroFill(dst []byte, from int, s spec) []byte {
	missing := s.width - (len(dst) - from)
	if !s.zero || s.left || missing <= 0 {
		return dst
	}
	at := from
	if c := dst[at]; c == '+' || c == ' ' {
		at++
	}
	if s.alt && len(dst) > at+1 && dst[at] == '0' && (dst[at+1] == s.verb) {
		at += 2
	}
	end := len(dst)
	for range missing {
		dst = append(dst, '0')
	}
	copy(dst[at+missing:], dst[at:end])
	for i := range missing {
		dst[at+i] = '0'
	}
	return dst
}
