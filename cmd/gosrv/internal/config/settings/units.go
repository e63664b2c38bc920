package settings

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
)

// Unit is what the number of a setting counts; texts such as 30s or 10MB are accepted for it wherever a value may
// stand. Gunicorn knows plain numbers only.
type Unit uint8

const (
	Plain   Unit = iota // no unit
	Seconds             // 90, 90s, 1m30s, 1500ms if it comes out whole
	Bytes               // 10485760, 10MB, 10MiB or 10m: each step is 1024
)

// measure is one number with its unit behind it. Expressions are compiled when they are asked for: this binary starts
// once a worker, and few of its runs look at any of them.
var measure = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?)\s*([a-z]+)`) })

// scales give what one of each unit is worth: milliseconds of a duration, bytes of a size.
var scales = map[Unit]map[string]int64{
	Seconds: {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000},
	Bytes: {
		"b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
		"g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
	},
}

// Allowed says which units are accepted, "" for Plain.
func (u Unit) Allowed() string {
	return [...]string{"", "; seconds like 30, 30s or 5m", "; bytes like 65536, 64k or 10MB"}[u]
}

// Read gives the number that text stands for. ok is false if text is not written with units at all: then it is for the
// validator to judge.
func (u Unit) Read(text string) (n int, ok bool, err error) {
	sum, rest := new(big.Rat), text
	for strings.TrimSpace(rest) != "" {
		found := measure().FindStringSubmatch(rest)
		if found == nil {
			return 0, false, nil
		}
		scale := scales[u][strings.ToLower(found[2])]
		number, isNumber := new(big.Rat).SetString(found[1])
		if scale == 0 || !isNumber {
			return 0, false, nil
		}
		sum.Add(sum, number.Mul(number, new(big.Rat).SetInt64(scale)))
		rest = rest[len(found[0]):]
	}
	if u == Seconds {
		sum.Quo(sum, new(big.Rat).SetInt64(1000))
	}
	switch {
	case strings.TrimSpace(text) == "":
		return 0, false, nil
	case !sum.IsInt():
		return 0, false, fmt.Errorf("%s is not a whole number of %s", ReprText(text), [...]string{"", "seconds", "bytes"}[u])
	case !sum.Num().IsInt64():
		return 0, false, fmt.Errorf("%s is too large", ReprText(text))
	}
	return int(sum.Num().Int64()), true, nil
}

// Accept gives the value that the setting keeps for v, from wherever v came, or why it cannot be one.
func (s *Setting) Accept(v any) (any, error) {
	text, isText := v.(string)
	if isText && s.Auto && text == AutoWord {
		return Auto{}, nil
	}
	if isText && s.Unit != Plain {
		n, ok, err := s.Unit.Read(text)
		if err != nil {
			return nil, err
		}
		if ok {
			v = n
		}
	}
	return s.Check.Verdict(v)
}

// allowed says what accept takes, for error messages and the reference.
func (s *Setting) Allowed() string {
	if s.Auto {
		return s.Check.Allowed + ", or auto"
	}
	return s.Check.Allowed + s.Unit.Allowed()
}
