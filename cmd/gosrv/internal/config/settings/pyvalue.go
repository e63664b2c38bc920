package settings

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Strip is Python's str.strip(): white space at both ends, the separators 0x1c to 0x1f included.
func Strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}

// ReadInt reads s as Python's int(s, base) does for base 10 and base 0: white space around, a sign, underscores between
// digits; with base 0 a prefix 0x, 0o or 0b and no other leading zeros. Numbers beyond Go's int are not accepted.
func ReadInt(s string, base int) (int, bool) {
	digits := Strip(s)
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	radix := 10
	if base == 0 {
		radix, digits = splitRadix(digits)
	}
	if digits == "" || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	digits = strings.ReplaceAll(digits, "_", "")
	if base == 0 && radix == 10 && digits[0] == '0' && strings.Trim(digits, "0") != "" {
		return 0, false
	}
	if digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, ok := new(big.Int).SetString(digits, radix)
	if !ok || !n.IsInt64() {
		return 0, false
	}
	if negative {
		n.Neg(n)
	}
	return int(n.Int64()), true
}

// splitRadix takes a 0x, 0o or 0b prefix off, with the one underscore that may follow it.
func splitRadix(digits string) (radix int, rest string) {
	if len(digits) < 2 || digits[0] != '0' {
		return 10, digits
	}
	switch digits[1] {
	case 'x', 'X':
		radix = 16
	case 'o', 'O':
		radix = 8
	case 'b', 'B':
		radix = 2
	default:
		return 10, digits
	}
	return radix, strings.TrimPrefix(digits[2:], "_")
}

// ReadAutoInt is Gunicorn's auto_int: int(s, 0), but a leading zero before a digit means octal.
func ReadAutoInt(s string) (int, bool) {
	if len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
		s = "0o" + s[1:]
	}
	return ReadInt(s, 0)
}

// Repr writes a value as Python's repr() does.
func Repr(v any) string {
	switch v := v.(type) {
	case string:
		return ReprText(v)
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10) + ".0"
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = ReprText(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = Repr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		return reprDict(v)
	}
	return Str(v)
}

// reprDict writes a dict with its keys sorted; an object that could not cross as JSON is shown as Python showed it.
func reprDict(dict map[string]any) string {
	if text, ok := dict["__repr__"].(string); ok && len(dict) == 1 {
		return text
	}
	keys := make([]string, 0, len(dict))
	for key := range dict {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for i, key := range keys {
		keys[i] = ReprText(key) + ": " + Repr(dict[key])
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// Str writes a value as Python's str() does.
func Str(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return v
	case Hook:
		return "<" + string(v) + "()>"
	case int:
		return strconv.Itoa(v)
	case float64, []string, []any, map[string]any:
		return Repr(v)
	}
	return fmt.Sprint(v)
}

// ReprText writes text as Python's repr() of a str does.
func ReprText(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x100 && !strconv.IsPrint(r):
			b = fmt.Appendf(b, `\x%02x`, r)
		case !strconv.IsPrint(r) && r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, quote))
}
