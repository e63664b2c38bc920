package help

import (
	"fmt"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/settings"
)

// Man gives the manual page gosrv(1) in the macros of man(7). Nothing in it depends on when or where it is made.
func Man() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH GOSRV 1 \"\" \"gosrv %s\" \"User Commands\"\n", config.Version)
	b.WriteString(".SH NAME\ngosrv \\- drop\\-in replacement for Gunicorn: serves WSGI applications\n")
	b.WriteString(".SH SYNOPSIS\n.B gosrv\n[\\fIOPTIONS\\fR] [\\fIAPP_MODULE\\fR]\n")
	for _, name := range Commands() {
		b.WriteString(".br\n.B gosrv " + roff(name) + "\n[...]\n")
	}
	b.WriteString(".SH DESCRIPTION\n" + roff(intro) + "\n")
	b.WriteString(".SH OPTIONS\nEach is also a setting of that name in \\fIgunicorn.conf.py\\fR and \\fIgosrv.toml\\fR, and a variable \\fBGOSRV_NAME\\fR.\n")
	b.WriteString(".SS Most used\n")
	for _, name := range firstSettings {
		writeRoff(&b, settings.ByName[name])
	}
	for _, sec := range sections {
		heading := ".SS " + roff(sec.heading) + "\n"
		for _, name := range listed(sec.heading) {
			b.WriteString(heading)
			heading = ""
			writeRoff(&b, bySpelling(name))
		}
	}
	for _, topic := range [][2]string{{"ENVIRONMENT AND FILES", "places"}, {"COMMANDS", "commands"}, {"SIGNALS", "signals"}, {"EXIT STATUS", "exit-codes"}} {
		b.WriteString(".SH " + topic[0] + "\n.nf\n" + roff(texts[topic[1]]) + ".fi\n")
	}
	b.WriteString(".SH EXAMPLES\n.nf\ngosrv myproject.wsgi \\-\\-bind 0.0.0.0:8000 \\-\\-workers 4 \\-\\-access\\-logfile \\-\ngosrv \\-\\-check\\-config myproject.wsgi\n.fi\n")
	b.WriteString(".SH SEE ALSO\n.BR gunicorn (1),\n.BR systemd.service (5)\n")
	return b.String()
}

// writeRoff writes one setting as a paragraph with its flags in front.
func writeRoff(b *strings.Builder, s *settings.Setting) {
	head := "\\fB" + roff(s.Name) + "\\fR = ..."
	if len(s.Flags) > 0 {
		head = "\\fB" + strings.Join(escaped(s.Flags), "\\fR, \\fB") + "\\fR"
		if takesValue(s) {
			head += " \\fI" + roff(metavar(s)) + "\\fR"
		}
	}
	text := s.Help
	if shown := shownDefault(s); shown != "" {
		text += " [" + shown + "]"
	}
	b.WriteString(".TP\n" + head + "\n" + roff(text) + "\n")
}

func escaped(words []string) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = roff(word)
	}
	return list
}

// roff escapes text: backslashes, hyphens that are to be copied as such, and what would be an order at a line's begin.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
