package http1

import (
	"encoding/binary"
	"math/bits"
)

// What a byte may be part of.
const (
	isToken  = 1 << iota // RFC 9110 section 5.6.2
	isMethod             // token without lower case and '#', Gunicorn's conventional methods
	isTarget             // visible ASCII
	isValue              // RFC 9110 section 5.5: HTAB, SP, visible ASCII, obs-text
	isHost               // reg-name of RFC 3986 without '%' and ',': a comma is how two hosts are smuggled
	isHex
	isDigit
)

var class = buildClass()

func buildClass() (t [256]uint8) {
	for c := range 256 {
		alpha := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if alpha || digit || contains("!#$%&'*+-.^_`|~", c) {
			t[c] |= isToken
			if (c < 'a' || c > 'z') && c != '#' {
				t[c] |= isMethod
			}
		}
		if c > 0x20 && c < 0x7f {
			t[c] |= isTarget
		}
		if c == '\t' || c >= 0x20 && c != 0x7f {
			t[c] |= isValue
		}
		if alpha || digit || contains("-._~!$&'()*+;=", c) {
			t[c] |= isHost
		}
		if digit {
			t[c] |= isDigit | isHex
		}
		if 'a' <= c|0x20 && c|0x20 <= 'f' {
			t[c] |= isHex
		}
	}
	return t
}

func contains(set string, c int) bool {
	for i := range len(set) {
		if int(set[i]) == c {
			return true
		}
	}
	return false
}

// One bit pattern in every byte of a word.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skip returns the first index in buf[i:end] whose byte is not of class k, or end.
func skip(buf []byte, i, end int, k uint8) int {
	for i < end && class[buf[i]]&k != 0 {
		i++
	}
	return i
}

// skipTarget is skip for isTarget, eight bytes at a time.
func skipTarget(buf []byte, i, end int) int {
	for end-i >= 8 {
		w := binary.LittleEndian.Uint64(buf[i:])
		del := w ^ ones*0x7f
		if hit := ((w-ones*0x21)&^w | (del-ones)&^del | w) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
		i += 8
	}
	return skip(buf, i, end, isTarget)
}

// skipValue is skip for isValue, eight bytes at a time. A borrow marks only bytes above a true hit, so the
// lowest mark is always right.
func skipValue(buf []byte, i, end int) int {
	for end-i >= 8 {
		w := binary.LittleEndian.Uint64(buf[i:])
		del := w ^ ones*0x7f
		hit := ((w-ones*0x20)&^w | (del-ones)&^del) & highs
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) / 8
		if buf[i] != '\t' {
			return i
		}
		i++
	}
	return skip(buf, i, end, isValue)
}

// EqualFold says whether b is lower, letters compared without case. lower must be ASCII without upper case;
// no other folding is done, so U+212A is not a k.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c != lower[i] && (c < 'A' || c > 'Z' || c|0x20 != lower[i]) {
			return false
		}
	}
	return true
}

// trim cuts SP and HTAB, and nothing else, off both ends (RFC 9112 section 5.1).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
