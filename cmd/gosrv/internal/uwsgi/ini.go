package uwsgi

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// option is one line of the file.
type option struct {
	key   string // as written, but with dashes for underscores
	raw   string // the value as written
	value text   // with its placeholders replaced
	where string // "line 3" or "line 3 of other.ini"
	// open names placeholders that could not be replaced.
	open []string
}

// file is what an ini file and those included by it say, in their order.
type file struct {
	section string
	lines   []line
	used    map[string]bool // keys that placeholders refer to
	// asides are lines of a conditional: what holds is known when uWSGI starts.
	asides []line
}

// line is a key and a value before placeholders are replaced.
type line struct {
	key, raw  string
	where     string
	path      string // of the file it stands in
	loop      string // what %(_) means
	condition string // the condition it stands under, "" for none
}

// maxIncluded is how deep files may include files: one that includes itself
// ends here.
const maxIncluded = 16

// read adds the lines of a section.
func (f *file) read(path, section string, depth int) error {
	if depth > maxIncluded {
		return fmt.Errorf("%s: included by itself", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.HasPrefix(strings.TrimSpace(string(data)), "<") {
		return fmt.Errorf("%s: only ini files are read, and this looks like XML", path)
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	at, found := "", false
	var block block
	for n, text := range strings.Split(string(data), "\n") {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		if text[0] == '[' {
			at = strings.TrimSpace(strings.TrimSuffix(text[1:], "]"))
			found = found || at == section
			continue
		}
		if at != section {
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		l := line{key: strings.TrimSpace(key), raw: strings.TrimSpace(value), path: path, where: place(n+1, path, depth)}
		if err := f.add(l, &block, depth); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s has no section [%s]; name another one as FILE:SECTION", path, section)
	}
	if block.kind != "" {
		return fmt.Errorf("%s: `%s` is not ended by `%s`", block.where, block.kind, block.end)
	}
	return nil
}

func place(n int, path string, depth int) string {
	if depth == 0 {
		return "line " + strconv.Itoa(n)
	}
	return fmt.Sprintf("line %d of %s", n, path)
}

// block is a `for` or an `if-...` that has not ended. They cannot be nested.
type block struct {
	kind, end string
	where     string
	values    []string // of for; one line is added for each
	condition string
}

// add takes one line into the lists, or opens or closes a block by it.
func (f *file) add(l line, b *block, depth int) error {
	name := dashed(l.key)
	switch {
	case name == "endfor" || name == "end-for" || name == "endif" || name == "end-if":
		*b = block{}
	case b.kind != "" && (strings.HasPrefix(name, "if-") || strings.HasPrefix(name, "for")):
		return fmt.Errorf("%s: %s inside of %s; uWSGI ends at that, too", l.where, name, b.kind)
	case name == "for":
		*b = block{kind: "for", end: "endfor", where: l.where, values: strings.Fields(l.raw)}
	case name == "for-times":
		n, err := strconv.Atoi(l.raw)
		if err != nil || n < 0 || n > 1000 {
			return fmt.Errorf("%s: for-times = %s is no number of times", l.where, l.raw)
		}
		*b = block{kind: "for-times", end: "endfor", where: l.where}
		for i := range n {
			b.values = append(b.values, strconv.Itoa(i+1))
		}
	case strings.HasPrefix(name, "for-"), strings.HasPrefix(name, "if-"):
		end := "end" + name[:strings.IndexByte(name, '-')]
		*b = block{kind: name, end: end, where: l.where, condition: name + " = " + l.raw}
	case b.condition != "":
		l.condition = b.condition
		f.asides = append(f.asides, l)
	case b.kind != "":
		for _, value := range b.values {
			l.loop = value
			f.lines = append(f.lines, l)
		}
	case name == "ini" || name == "include" || name == "inherit":
		return f.include(l, depth)
	default:
		f.lines = append(f.lines, l)
	}
	return nil
}

// include reads the file that a line names, from the directory of the file it
// stands in if it is not here.
func (f *file) include(l line, depth int) error {
	value, open := f.expand(l)
	path, plain := value.plain()
	if !plain || len(open) > 0 {
		return fmt.Errorf("%s: %s = %s cannot be followed: what it names is known only when uWSGI starts", l.where, l.key, l.raw)
	}
	path, section := splitSection(path)
	if another, ok := strings.CutPrefix(path, ":"); ok {
		path, section = l.path, another // a section of the same file
	}
	if err := refuse(path); err != nil {
		return fmt.Errorf("%s: %w", l.where, err)
	}
	if _, err := os.Stat(path); err != nil && !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.path), path)
	}
	if err := f.read(path, section, depth+1); err != nil {
		return fmt.Errorf("%s: %w", l.where, err)
	}
	return nil
}

// dashed is the key as uWSGI's documentation writes it.
func dashed(key string) string { return strings.ReplaceAll(key, "_", "-") }

// options gives every line with its placeholders replaced.
func (f *file) options() []option {
	f.used = map[string]bool{}
	list := make([]option, 0, len(f.lines))
	for _, l := range f.lines {
		value, open := f.expand(l)
		list = append(list, option{key: dashed(l.key), raw: l.raw, value: value, where: l.where, open: open})
	}
	return list
}

// lookup finds the value of a placeholder: of an option, or of a name that the
// user made up.
func (f *file) lookup(name string) (line, bool) {
	for _, l := range f.lines {
		if l.key == name || dashed(l.key) == dashed(name) {
			return l, true
		}
		if key, value, ok := strings.Cut(l.raw, "="); ok && strings.TrimSpace(key) == name && isPlaceholderOption(l.key) {
			l.raw = strings.TrimSpace(value)
			return l, true
		}
	}
	return line{}, false
}

func isPlaceholderOption(key string) bool {
	switch dashed(key) {
	case "set", "set-placeholder", "set-ph":
		return true
	}
	return false
}
