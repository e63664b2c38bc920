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

var (
	class = buildClass()
	token = buildToken() // isToken alone
)

func buildToken() (t [256]bool) {
	for c := range 256 {
		t[c] = class[c]&isToken != 0
	}
	return t
}

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

// skip returns the first index in buf[i:end] whose byte is not of class k, or end; i if end lies before it.
func skip(buf []byte, i, end int, k uint8) int {
	if end <= i {
		return i
	}
	for j, c := range buf[i:end] {
		if class[c]&k == 0 {
			return i + j
		}
	}
	return end
}

// skipToken is skip for isToken to the end of buf, i <= len(buf): half of a head is names.
func skipToken(buf []byte, i int) int {
	for j, c := range buf[i:] {
		if !token[c] {
			return i + j
		}
	}
	return len(buf)
}

// marks returns the high bit of each byte of w that is below 0x20 + room or 0x7f, and no other. No sum carries
// into the next byte: the high bits are off.
func marks(w, room uint64) uint64 {
	low := w &^ highs
	return (^(low + (0x60-room)*ones) | (low + ones)) &^ w & highs
}

// skipTarget is skip for isTarget, eight bytes at a time.
func skipTarget(buf []byte, i, end int) int {
	for end-i >= 8 {
		w := binary.LittleEndian.Uint64(buf[i:])
		if hit := marks(w, 1) | w&highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
		i += 8
	}
	return skip(buf, i, end, isTarget)
}

// skipValue is skip for isValue, eight bytes at a time.
func skipValue(buf []byte, i, end int) int {
	if end <= i {
		return i
	}
	b := buf[i:end]
	for len(b) >= 8 {
		hit := marks(binary.LittleEndian.Uint64(b), 0)
		if hit == 0 {
			b = b[8:]
			continue
		}
		n := bits.TrailingZeros64(hit) / 8
		if b[n] != '\t' {
			return end - len(b) + n
		}
		b = b[n+1:]
	}
	return skip(buf, end-len(b), end, isValue)
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
