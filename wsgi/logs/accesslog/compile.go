package accesslog

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Format is a compiled access_log_format. It may be used by several goroutines at the same time.
type Format struct {
	json  bool
	items []item
	pid   int
	zone  *time.Location
	clock atomic.Pointer[stamp] // the second that %(t)s showed last
}

// item is literal text, or an atom with the way to print it.
type item struct {
	literal string
	atom    byte   // 0: literal; 'i', 'o', 'e': look name up; else Gunicorn's letter
	name    string // in lower case
	named   bool   // atom is one of 'i', 'o', 'e' with a name
	spec    spec
}

// spec is what stands between ) and the end of a conversion in Python's % formatting.
type spec struct {
	left, plus, space, alt, zero bool
	width                        int
	precision                    int // -1: none
	verb                         byte
}

// Letters that stand for text and for numbers. b and s are text in Gunicorn too.
const (
	textAtoms   = "hlutrsmUqHbfaLp"
	numberAtoms = "BTMD"
)

// Compile reads a format: Python's % formatting over named atoms, or the word json. Unknown names print "-" as in
// Gunicorn. Formats that Python refuses are an error; Gunicorn would fail at each request. Times are in local time.
func Compile(format string) (*Format, error) {
	f := &Format{pid: os.Getpid(), zone: time.Local}
	if format == JSON {
		f.json = true
		return f, nil
	}
	for rest := format; rest != ""; {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			at = len(rest)
		}
		f.addLiteral(rest[:at])
		if rest = rest[at:]; rest == "" {
			break
		}
		n, err := f.addConversion(rest)
		if err != nil {
			return nil, fmt.Errorf("%w at %q", err, rest)
		}
		rest = rest[n:]
	}
	return f, nil
}

// AsksForReply tells whether a line shows headers of the application's answer: if not, nobody needs to keep them.
func (f *Format) AsksForReply() bool {
	if f.json {
		return true // the request's id
	}
	for i := range f.items {
		if f.items[i].named && f.items[i].atom == 'o' {
			return true
		}
	}
	return false
}

// SetLocation chooses the time zone of %(t)s. It is not for use beside Append.
func (f *Format) SetLocation(zone *time.Location) { f.zone = zone }

func (f *Format) addLiteral(text string) {
	if n := len(f.items); n > 0 && f.items[n-1].atom == 0 {
		f.items[n-1].literal += text
	} else if text != "" {
		f.items = append(f.items, item{literal: text})
	}
}

// addConversion reads the conversion that text opens with and gives its length.
func (f *Format) addConversion(text string) (int, error) {
	if strings.HasPrefix(text, "%%") {
		f.addLiteral("%")
		return 2, nil
	}
	key, rest, err := cutKey(text[1:])
	if err != nil {
		return 0, err
	}
	it := item{}
	if it.spec, rest, err = cutSpec(rest); err != nil {
		return 0, err
	}
	it.setAtom(key)
	isNumber := !it.named && it.atom != 0 && strings.IndexByte(numberAtoms, it.atom) >= 0
	if !isNumber && !strings.ContainsRune("sra", rune(it.spec.verb)) {
		return 0, fmt.Errorf("%%(%s) is text: use %%(%s)s", key, key)
	}
	if it.atom == 0 {
		f.addLiteral(string(pad(appendText(nil, []byte("-"), it.spec), 0, it.spec)))
	} else {
		f.items = append(f.items, it)
	}
	return len(text) - len(rest), nil
}

// setAtom resolves a key; an unknown one leaves atom 0.
func (it *item) setAtom(key string) {
	if strings.HasPrefix(key, "{") {
		lower := strings.ToLower(key)
		if end := strings.LastIndexByte(lower, '}'); end == len(lower)-2 && strings.IndexByte("ioe", lower[end+1]) >= 0 {
			it.atom, it.name, it.named = lower[end+1], lower[1:end], true
		}
		return
	}
	if len(key) == 1 && strings.Contains(textAtoms+numberAtoms, key) {
		it.atom = key[0]
	}
}

// cutKey takes "(key)" off; parentheses in a key nest, as in Python.
func cutKey(text string) (key, rest string, err error) {
	if !strings.HasPrefix(text, "(") {
		return "", "", fmt.Errorf("a %% without (name)")
	}
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return text[1:i], text[i+1:], nil
			}
		}
	}
	return "", "", fmt.Errorf("a ( without its )")
}

// cutSpec takes flags, width, precision, a meaningless length letter and the conversion letter off.
func cutSpec(text string) (spec, string, error) {
	s := spec{precision: -1}
flags:
	for text != "" {
		switch text[0] {
		case '-':
			s.left = true
		case '+':
			s.plus = true
		case ' ':
			s.space = true
		case '#':
			s.alt = true
		case '0':
			s.zero = true
		default:
			break flags
		}
		text = text[1:]
	}
	var err error
	if s.width, text, err = cutNumber(text); err != nil {
		return s, text, err
	}
	if strings.HasPrefix(text, ".") {
		if s.precision, text, err = cutNumber(text[1:]); err != nil {
			return s, text, err
		}
	}
	text = strings.TrimLeft(text, "hlL")
	if text == "" {
		return s, text, fmt.Errorf("the letter after ) is missing")
	}
	if s.verb = text[0]; !strings.ContainsRune("sradiuoxXeEfFgG", rune(s.verb)) {
		return s, text, fmt.Errorf("%q is no conversion", text[:1])
	}
	return s, text[1:], nil
}

// widest bounds widths and precisions: a longer field can only be a slip.
const widest = 1000

func cutNumber(text string) (int, string, error) {
	rest := strings.TrimLeft(text, "0123456789")
	digits := text[:len(text)-len(rest)]
	if digits == "" {
		return 0, rest, nil
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > widest {
		return 0, rest, fmt.Errorf("%s is wider than %d", digits, widest)
	}
	return n, rest, nil
}
