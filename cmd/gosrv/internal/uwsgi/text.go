package uwsgi

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// text is a value in pieces: what it says is partly known only where the
// server will run.
type text []piece

// piece is a literal or, with code, a Python expression that gives a string.
type piece struct {
	literal string
	code    string
}

// cpus is how Python says %k.
const cpus = "str(os.cpu_count())"

// plain gives the text if all of it is known now.
func (t text) plain() (string, bool) {
	var b strings.Builder
	for _, p := range t {
		if p.code != "" {
			return "", false
		}
		b.WriteString(p.literal)
	}
	return b.String(), true
}

// literal makes a text of known words.
func literal(s string) text { return text{{literal: s}} }

// starts tells whether the text is known to begin like this.
func (t text) starts(prefix string) bool {
	return len(t) > 0 && t[0].code == "" && strings.HasPrefix(t[0].literal, prefix)
}

// with puts words before the text.
func (t text) with(prefix string) text { return append(literal(prefix), t...) }

// and puts words behind it.
func (t text) and(suffix string) text { return append(append(text{}, t...), piece{literal: suffix}) }

// str is a Python expression that gives the text.
func (t text) str() string {
	var parts []string
	known := ""
	flush := func() {
		if known != "" {
			parts = append(parts, quote(known))
			known = ""
		}
	}
	for _, p := range t {
		if p.code == "" {
			known += p.literal
			continue
		}
		flush()
		parts = append(parts, p.code)
	}
	flush()
	if len(parts) == 0 {
		return `""`
	}
	return strings.Join(parts, " + ")
}

// number is a Python expression that gives an int.
func (t text) number() (string, bool) {
	if s, ok := t.plain(); ok {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		return strconv.Itoa(n), err == nil
	}
	if len(t) == 1 && t[0].code == cpus {
		return "os.cpu_count()", true
	}
	return "int(" + t.str() + ")", true
}

// yes tells whether a flag is switched on, as uWSGI reads flags.
func (t text) yes() bool {
	s, _ := t.plain()
	switch strings.ToLower(s) {
	case "false", "0", "no", "off":
		return false
	}
	return true
}

// quote writes a Python string literal. Bytes that are not UTF-8 come out as
// the replacement character.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// maxNested is how deep placeholders may refer to placeholders.
const maxNested = 16

// expand replaces what uWSGI replaces: %(name), %x, $(VARIABLE). What it cannot
// is left as it stands and listed.
func (f *file) expand(l line) (value text, open []string) {
	return f.expandNested(l, 0)
}

func (f *file) expandNested(l line, depth int) (value text, open []string) {
	known := ""
	push := func(t ...piece) {
		for _, p := range t {
			if p.code == "" {
				known += p.literal
				continue
			}
			if known != "" {
				value = append(value, piece{literal: known})
				known = ""
			}
			value = append(value, p)
		}
	}
	for rest := l.raw; rest != ""; {
		size, pieces, problems := f.placeholder(rest, l, depth)
		if size == 0 {
			push(piece{literal: rest[:1]})
			rest = rest[1:]
			continue
		}
		push(pieces...)
		open = append(open, problems...)
		rest = rest[size:]
	}
	if known != "" || value == nil {
		value = append(value, piece{literal: known})
	}
	return value, open
}

// placeholder looks at the beginning of s. A size of 0: there is none.
func (f *file) placeholder(s string, l line, depth int) (size int, value text, open []string) {
	if len(s) < 2 || !strings.ContainsRune("%$@", rune(s[0])) {
		return 0, nil, nil
	}
	if s[1] != '(' {
		if s[0] == '%' {
			if p, ok := magic(s[1], l); ok {
				return 2, text{p}, nil
			}
		}
		return 0, nil, nil
	}
	end := strings.IndexByte(s, ')')
	if end < 0 {
		return 0, nil, nil
	}
	name := s[2:end]
	size = end + 1
	switch {
	case s[0] == '$':
		return size, text{{code: "os.environ[" + quote(name) + "]"}}, nil
	case s[0] == '@':
		return size, literal(s[:size]), []string{s[:size]}
	case name == "_" && l.loop != "":
		return size, literal(l.loop), nil
	}
	if strings.Contains(strings.TrimSpace(name), " ") {
		if result, ok := f.math(strings.Fields(name), depth); ok {
			return size, literal(result), nil
		}
	}
	found, ok := f.lookup(name)
	if !ok || depth >= maxNested {
		return size, literal(s[:size]), []string{s[:size]}
	}
	value, open = f.follow(found, depth)
	return size, value, open
}

// follow gives the value of what a placeholder refers to, and remembers that it
// is referred to.
func (f *file) follow(found line, depth int) (text, []string) {
	if f.used != nil {
		f.used[found.key] = true
	}
	return f.expandNested(found, depth+1)
}

// math works through words and operators from left to right; two words without
// an operator between them are put together.
func (f *file) math(words []string, depth int) (string, bool) {
	result, operator := "", ""
	for _, word := range words {
		switch word {
		case "+", "-", "*", "/":
			operator = word
			continue
		case "++", "--":
			operator, word = word[:1], "1"
		}
		if found, ok := f.lookup(word); ok && depth < maxNested {
			value, open := f.follow(found, depth)
			known, plain := value.plain()
			if !plain || len(open) > 0 {
				return "", false
			}
			word = known
		}
		if operator == "" {
			result += word
			continue
		}
		a, errA := strconv.Atoi(result)
		b, errB := strconv.Atoi(word)
		if errA != nil || errB != nil || operator == "/" && b == 0 {
			return "", false
		}
		result = strconv.Itoa(map[string]func() int{
			"+": func() int { return a + b }, "-": func() int { return a - b },
			"*": func() int { return a * b }, "/": func() int { return a / b },
		}[operator]())
		operator = ""
	}
	return result, true
}

// magic gives a variable of one letter. The directory comes without a slash at
// its end, so that what follows must bring one, as it usually does.
func magic(letter byte, l line) (piece, bool) {
	dir, base := filepath.Split(l.path)
	dir = filepath.Clean(dir)
	switch letter {
	case 'p', 'o':
		return piece{literal: l.path}, true
	case 'd':
		return piece{literal: dir}, true
	case 's':
		return piece{literal: base}, true
	case 'n':
		return piece{literal: strings.TrimSuffix(base, filepath.Ext(base))}, true
	case 'e':
		return piece{literal: strings.TrimPrefix(filepath.Ext(base), ".")}, true
	case 'c':
		return piece{literal: filepath.Base(dir)}, true
	case 'v':
		return piece{code: "os.getcwd()"}, true
	case 'h':
		return piece{code: "os.uname().nodename"}, true
	case 'k':
		return piece{code: cpus}, true
	case 'u', 'g', 'U', 'G':
		return identity(letter)
	}
	return piece{}, false
}

// identity gives who runs this command, since uWSGI means who starts it.
func identity(letter byte) (piece, bool) {
	switch letter {
	case 'u':
		return piece{literal: strconv.Itoa(os.Getuid())}, true
	case 'g':
		return piece{literal: strconv.Itoa(os.Getgid())}, true
	case 'U':
		if u, err := user.Current(); err == nil {
			return piece{literal: u.Username}, true
		}
	case 'G':
		if g, err := user.LookupGroupId(strconv.Itoa(os.Getgid())); err == nil {
			return piece{literal: g.Name}, true
		}
	}
	return piece{}, false
}
