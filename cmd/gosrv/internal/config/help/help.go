// Package help shows the table of settings to people and their shells: --help and `gosrv help`, the manual page,
// completions, and the reference that `make docs` writes.
package help

import (
	"fmt"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/settings"
)

// Widths of a text in columns: of a page or a pipe, and what a terminal may be at least and at most for it.
const (
	PlainWidth = 79
	leastWidth = 40
	mostWidth  = 100
)

// Fit gives the width for a terminal of so many columns; 0 stands for no terminal.
func Fit(columns int) int {
	if columns <= 0 {
		return PlainWidth
	}
	return min(max(columns, leastWidth), mostWidth)
}

// firstSettings are the ten that people use most; --help opens with them.
var firstSettings = []string{
	"bind", "workers", "threads", "config", "timeout", "accesslog", "loglevel", "preload_app", "check_config", "python",
}

// section is a heading of the reference, and the topic by which `gosrv help` shows it.
type section struct{ heading, topic string }

// sections is their order everywhere.
var sections = []section{
	{settings.SectionConfigFile, "config-file"},
	{settings.SectionSocket, "socket"},
	{settings.SectionWorkers, "processes"},
	{settings.SectionOwn, "own"},
	{settings.SectionLogging, "logging"},
	{settings.SectionMechanics, "mechanics"},
	{settings.SectionSecurity, "security"},
	{settings.SectionDebugging, "debugging"},
	{settings.SectionNaming, "naming"},
	{settings.SectionHooks, "hooks"},
	{settings.SectionSSL, "tls"},
	{settings.SectionHTTP2, "http2"},
	{settings.SectionControl, "control"},
	{settings.SectionDirty, "dirty"},
	{settings.SectionDirtyHooks, "dirty-hooks"},
}

// Coloured gives a text for a terminal: headings bold, options in colour.
func Coloured(text string) string {
	const bold, cyan, plain = "\x1b[1m", "\x1b[36m", "\x1b[0m"
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		option := strings.HasPrefix(line, "  -")
		switch {
		case option && strings.Contains(line[2:], "  "):
			flags, text, _ := strings.Cut(line[2:], "  ")
			lines[i] = "  " + cyan + flags + plain + "  " + text
		case option:
			lines[i] = cyan + line + plain
		case strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " "):
			lines[i] = bold + line + plain
		}
	}
	return strings.Join(lines, "\n")
}

const intro = `Serves a WSGI application (Django, Flask, any other) with Gunicorn's options, configuration file, signals and logs. APP_MODULE is module, module:name or module:factory("literal"); without a name the callable is "application".`

// Screen gives the text of --help for that many columns: the ten settings that people use most, and what else there is by
// its name.
func Screen(width int) string {
	var b strings.Builder
	b.WriteString(config.UsageLine + "       gosrv COMMAND ...\n\n")
	b.WriteString(wrap(intro, width) + "\n\nMost used:\n")
	for _, name := range firstSettings {
		writeOption(&b, settings.ByName[name], width)
	}
	b.WriteString("\nMore, by topic; `gosrv help TOPIC` says what they mean:\n")
	for _, s := range sections {
		if names := listed(s.heading); len(names) > 0 {
			writeColumns(&b, 2, "  "+s.topic, 14, strings.Join(names, " "), width)
		}
	}
	b.WriteString("\nCommands:\n")
	for _, c := range commands {
		writeColumns(&b, 2, "  "+c.name, 16, c.text, width)
	}
	b.WriteString("\nHelp:\n")
	for _, line := range [][2]string{
		{"-h, --help", "this text"},
		{"-v, --version", "version, commit, features; and --verbose: which Python serves"},
		{"help SETTING", "one setting, by name or flag: gosrv help timeout"},
		{"help TOPIC", "one of the above, or " + strings.Join(append(textTopics(), "all"), ", ")},
	} {
		writeColumns(&b, 1, "  "+line[0], 16, line[1], width)
	}
	b.WriteString("\nExample:\n  gosrv myproject.wsgi --bind 0.0.0.0:8000 --workers 4 \\\n        --access-logfile - --max-requests 10000\n")
	return b.String()
}

// listed names the settings of one section that --help lists without a description.
func listed(heading string) (names []string) {
	for _, s := range settings.Table {
		if s.Section == heading && s.State < settings.NoEffect && !slices.Contains(firstSettings, s.Name) {
			names = append(names, listName(s))
		}
	}
	return names
}

// All gives every setting with what it means, by section.
func All(width int) string {
	var b strings.Builder
	b.WriteString(config.UsageLine + "\n" + wrap(intro, width) + "\n")
	for _, s := range sections {
		b.WriteString("\n" + sectionText(s, width))
	}
	return b.String()
}

// sectionText gives the settings of one section: first those with flags, then what is said elsewhere or does nothing here.
func sectionText(sec section, width int) string {
	var b strings.Builder
	var fileOnly []string
	bySupport := map[settings.Support][]string{}
	b.WriteString(sec.heading + ":\n")
	for _, s := range settings.Table {
		switch {
		case s.Section != sec.heading:
		case s.State >= settings.NoEffect:
			bySupport[s.State] = append(bySupport[s.State], listName(s))
		case len(s.Flags) == 0:
			fileOnly = append(fileOnly, s.Name)
		default:
			writeOption(&b, s, width)
		}
	}
	writeNames(&b, "In gunicorn.conf.py only:", fileOnly, width)
	writeNames(&b, "Accepted, without effect yet:", bySupport[settings.Pending], width)
	writeNames(&b, "Accepted, with nothing to do here:", bySupport[settings.NoEffect], width)
	writeNames(&b, "Refused, each says what to use instead:", bySupport[settings.Unsupported], width)
	return b.String()
}

func writeNames(b *strings.Builder, what string, names []string, width int) {
	if len(names) > 0 {
		b.WriteString("  " + what + "\n    " + strings.ReplaceAll(wrap(strings.Join(names, " "), width-4), "\n", "\n    ") + "\n")
	}
}

// listName gives the name by which lists mention a setting: its first long flag, or its name in a file.
func listName(s *settings.Setting) string {
	for _, flag := range s.Flags {
		if strings.HasPrefix(flag, "--") {
			return flag
		}
	}
	return s.Name
}

// writeOption writes one option in two columns: flags, and from column 32 on the help's first sentence and default.
func writeOption(b *strings.Builder, s *settings.Setting, width int) {
	text := s.Short() + "."
	if s.Name == "worker_class" {
		text = s.Help
	}
	if shown := shownDefault(s); shown != "" {
		text += " [" + shown + "]"
	}
	writeColumns(b, 2, "  "+usage(s), 32, text, width)
}

// usage gives the flags of a setting with the word that they take.
func usage(s *settings.Setting) string {
	text := strings.Join(s.Flags, ", ")
	if takesValue(s) {
		text += " " + metavar(s)
	}
	return text
}

// writeColumns writes left, and text from that column on with at least gap blanks between; below left where a terminal
// has no room for two columns.
func writeColumns(b *strings.Builder, gap int, left string, column int, text string, width int) {
	if width-column < leastWidth/2 {
		column = 6
	}
	if len(left) > column-gap {
		b.WriteString(left + "\n")
		left = ""
	}
	for line := range strings.SplitSeq(wrap(text, width-column), "\n") {
		fmt.Fprintf(b, "%-*s%s\n", column, left, line)
		left = ""
	}
}

func takesValue(s *settings.Setting) bool {
	return s.Action == settings.Store || s.Action == settings.Append || s.Action == settings.Optional
}

func metavar(s *settings.Setting) string {
	if s.Metavar != "" {
		return s.Metavar
	}
	return strings.ToUpper(s.Name)
}

// shownDefault gives the default as --help and the reference show it, "" for flags, functions and None.
func shownDefault(s *settings.Setting) string {
	switch v := s.Default.(type) {
	case nil, bool, settings.Hook:
		return ""
	case settings.Computed:
		return string(v)
	case []string:
		return strings.Join(v, ",")
	case string:
		if v == settings.DefaultAccessLogFormat {
			return "combined"
		}
		return v
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
	}
	if n, isInt := s.Default.(int); isInt && s.Type == settings.AutoInt && n > 0 {
		return fmt.Sprintf("0o%o", n)
	}
	return settings.Str(s.Default)
}

// wrap breaks text into lines of at most width bytes at spaces; a longer word stays whole.
func wrap(text string, width int) string {
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case used == 0:
		case used+1+len(word) > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
