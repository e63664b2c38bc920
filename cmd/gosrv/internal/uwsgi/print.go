package uwsgi

import (
	"fmt"
	"slices"
	"strings"
)

// order is how the settings stand in the printed file; others follow.
var order = []string{
	"wsgi_app", "chdir", "pythonpath", "raw_env", "bind", "backlog", "umask", "workers", "threads", "preload_app", "timeout",
	"graceful_timeout", "max_requests", "max_requests_jitter", "user", "group",
}

// print gives the text of gunicorn.conf.py.
func (c *conversion) print(from string) string {
	slices.SortStableFunc(c.settings, func(a, b *setting) int { return rank(a.name) - rank(b.name) })
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from %s by `gosrv import-uwsgi`. Read the notes at the end, then try: gosrv --check-config\n", oneLine(from))
	var body strings.Builder
	for _, s := range c.settings {
		if len(s.values) == 0 {
			continue
		}
		body.WriteByte('\n')
		for _, from := range s.sources {
			fmt.Fprintf(&body, "# %s\n", oneLine(from))
		}
		fmt.Fprintf(&body, "%s = %s\n", s.name, s.value())
	}
	if strings.Contains(body.String(), "os.") {
		b.WriteString("import os\n")
	}
	b.WriteString(body.String())
	list(&b, "Needs a decision", c.notes)
	list(&b, "Has no equivalent in gosrv", c.none)
	list(&b, "Not known as an option of uWSGI, and no placeholder refers to it", c.unknown)
	if len(c.itself) > 0 {
		slices.Sort(c.itself)
		list(&b, "Nothing to do: gosrv does it by itself, or has no need of it", []string{strings.Join(slices.Compact(c.itself), ", ")})
	}
	return b.String()
}

func rank(name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// value is the right side of an assignment. pythonpath is one string.
func (s *setting) value() string {
	switch {
	case s.name == "pythonpath" && len(s.values) > 1:
		return `",".join([` + strings.Join(s.values, ", ") + "])"
	case s.list && len(s.values) > 1:
		return "[\n    " + strings.Join(s.values, ",\n    ") + ",\n]"
	case s.list:
		return "[" + s.values[0] + "]"
	}
	return s.values[0]
}

func list(b *strings.Builder, heading string, entries []string) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(b, "\n# %s:\n", heading)
	for _, entry := range slices.Compact(entries) {
		fmt.Fprintf(b, "#   %s\n", oneLine(entry))
	}
}

// oneLine keeps a comment one line, whatever the value was.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
