// Package help shows the table of settings to people: --help, and the reference that `make docs` writes.
package help

import (
	"fmt"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/settings"
)

const helpWidth = 79

const helpIntro = config.UsageLine + `
Serves a WSGI application (Django, Flask, any other) with Gunicorn's options,
configuration file, signals and logs. APP_MODULE is module, module:name or
module:factory("literal"); without a name the callable is "application".
`

const helpOutro = `
Configuration file only (gunicorn.conf.py):
%s
Accepted, without effect yet:
%s
Accepted, with nothing to do in gosrv:
%s
Not supported, each says what to use instead:
%s
Options may be shortened as long as they stay unambiguous, and may stand before
or after the application. Times and sizes may have units: 30s, 5m, 64k, 10MB.

Settings also come from these places, of which a later one wins:
  PORT, WEB_CONCURRENCY, FORWARDED_ALLOW_IPS, SENDFILE   other defaults
  ./gunicorn.conf.py          run by Python; what names it leaves are settings
  ./gosrv.toml                or the table [tool.gosrv] of ./pyproject.toml
  GUNICORN_CMD_ARGS="..."     options as on the command line
  GOSRV_WORKERS=4             every setting by its name; commas between items
  the command line
With -c FILE (.py or .toml) that is the only file read. --print-config shows
the names and what they came out as, --check-config where each was said.

A running server takes orders, waits for the outcome and says why if it failed:
  gosrv reload|stop|upgrade|status [--pid FILE] [--wait SECONDS]

Programs that start Gunicorn themselves (sys.executable -m gunicorn) get gosrv:
  gosrv install-stub [--undo] [--system] [--python PATH]

A configuration of uWSGI is translated, with notes on what has no equivalent:
  gosrv import-uwsgi uwsgi.ini > gunicorn.conf.py

Example:
  gosrv myproject.wsgi --bind 0.0.0.0:8000 --workers 4 --threads 2 \
        --access-logfile - --max-requests 10000 --max-requests-jitter 500
`

// firstSettings are the ten that people use most; --help opens with them.
var firstSettings = []string{
	"bind", "workers", "threads", "config", "timeout", "accesslog", "loglevel", "preload_app", "check_config", "python",
}

// sections is the order of headings in --help and in the reference.
var sections = []string{
	settings.SectionConfigFile, settings.SectionSocket, settings.SectionWorkers, settings.SectionOwn, settings.SectionLogging, settings.SectionMechanics, settings.SectionSecurity,
	settings.SectionDebugging, settings.SectionNaming, settings.SectionHooks, settings.SectionSSL, settings.SectionHTTP2, settings.SectionControl, settings.SectionDirty, settings.SectionDirtyHooks,
}

// Coloured is Text for a terminal: headings bold, options in colour.
func Coloured() string {
	const bold, cyan, plain = "\x1b[1m", "\x1b[36m", "\x1b[0m"
	lines := strings.Split(Text(), "\n")
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

// Text gives the text of --help, made from the table. No line is longer than 79 columns.
func Text() string {
	var b strings.Builder
	b.WriteString(helpIntro)
	b.WriteString("\nMost used:\n")
	for _, name := range firstSettings {
		writeOption(&b, settings.ByName[name])
	}
	var fileOnly []string
	bySupport := map[settings.Support][]string{}
	for _, section := range sections {
		heading := "\n" + section + ":\n"
		for _, s := range settings.Table {
			switch {
			case s.Section != section || slices.Contains(firstSettings, s.Name):
			case s.State >= settings.NoEffect:
				bySupport[s.State] = append(bySupport[s.State], listName(s))
			case len(s.Flags) == 0:
				fileOnly = append(fileOnly, s.Name)
			default:
				b.WriteString(heading)
				heading = ""
				writeOption(&b, s)
			}
		}
	}
	b.WriteString("\nHelp:\n  -h, --help                    Print this text and exit.\n")
	b.WriteString("  -v, --version                 Print the version and exit.\n")
	fmt.Fprintf(&b, helpOutro, fill(fileOnly), fill(bySupport[settings.Pending]), fill(bySupport[settings.NoEffect]), fill(bySupport[settings.Unsupported]))
	return b.String()
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
func writeOption(b *strings.Builder, s *settings.Setting) {
	left := "  " + strings.Join(s.Flags, ", ")
	if takesValue(s) {
		left += " " + metavar(s)
	}
	text := s.Short() + "."
	if s.Name == "worker_class" {
		text = s.Help
	}
	if shown := shownDefault(s); shown != "" {
		text += " [" + shown + "]"
	}
	const column = 32
	if len(left) > column-2 {
		b.WriteString(left + "\n")
		left = ""
	}
	for line := range strings.SplitSeq(wrap(text, helpWidth-column), "\n") {
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

func fill(names []string) string {
	lines := wrap(strings.Join(names, " "), helpWidth-2)
	return "  " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n"
}
