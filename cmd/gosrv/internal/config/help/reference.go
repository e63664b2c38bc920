package help

import (
	"fmt"
	"strings"

	"gosrv/cmd/gosrv/internal/config/settings"
)

const referenceIntro = `# Settings

Every setting by its name, in a configuration file, in ` + "`gosrv.toml`" + ` and as a variable (` + "`workers`" + `, ` + "`GOSRV_WORKERS`" + `); the
flags are those of the command line. [configuration.md](configuration.md) has the places and their order. This page is
made from the table in ` + "`internal/config/settings`" + ` by ` + "`make docs`" + `.

`

// differences says, for each state, what the list of its settings is about.
var differences = []struct {
	state settings.Support
	words string
}{
	{settings.Better, "They do what they do in Gunicorn, and more:"},
	{settings.NoEffect, "They are accepted, because they have nothing to do here:"},
	{settings.Pending, "They are accepted with a warning, because they are not built yet:"},
	{settings.Unsupported, "A value other than the default is an error that says what to use instead:"},
}

// Reference gives the settings reference as Markdown: how many settings are in which state, the differences from
// Gunicorn in words, and one table a section with every row of the settings table.
func Reference() string {
	var b strings.Builder
	count := map[settings.Support]int{}
	own := 0
	for _, s := range settings.Table {
		if s.Own() {
			own++
			continue
		}
		count[s.State]++
	}
	b.WriteString(referenceIntro)
	fmt.Fprintf(&b, "Of Gunicorn's %d settings (27.0.1) %d work as there, %d work better, %d have nothing to do here, %d are accepted without effect yet and %d are refused. gosrv adds %d of its own.\n",
		len(settings.Table)-own, count[settings.Works], count[settings.Better], count[settings.NoEffect], count[settings.Pending], count[settings.Unsupported], own)
	b.WriteString("\n## What differs from Gunicorn\n")
	for _, d := range differences {
		writeDifference(&b, d.state, d.words)
	}
	b.WriteString("\n## All settings\n")
	for _, sec := range sections {
		fmt.Fprintf(&b, "\n### %s\n\n| setting | flags | default | since | state | meaning |\n|---|---|---|---|---|---|\n", sec.heading)
		for _, s := range settings.Table {
			if s.Section == sec.heading {
				b.WriteString(referenceRow(s))
			}
		}
	}
	return b.String()
}

// writeDifference lists Gunicorn's settings of one state, those with the same note in one line.
func writeDifference(b *strings.Builder, state settings.Support, words string) {
	var notes []string
	names := map[string][]string{}
	for _, s := range settings.Table {
		if s.State != state || s.Own() {
			continue
		}
		if names[s.Note] == nil {
			notes = append(notes, s.Note)
		}
		names[s.Note] = append(names[s.Note], "`"+s.Name+"`")
	}
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n\n", words)
	for _, note := range notes {
		line := "- " + strings.Join(names[note], ", ")
		if note != "" {
			line += ": " + note
		}
		b.WriteString(line + "\n")
	}
}

func referenceRow(s *settings.Setting) string {
	flags := "file only"
	if len(s.Flags) > 0 {
		flags = "`" + strings.Join(s.Flags, "` `") + "`"
	}
	shown := shownDefault(s)
	if text, isText := s.Default.(string); isText {
		shown = text
	}
	if shown == "" {
		shown = settings.Str(s.Default)
		if _, isHook := s.Default.(settings.Hook); isHook {
			shown = "does nothing"
		}
	}
	state := s.State.String()
	if s.Note != "" {
		state += ": " + s.Note
	}
	meaning := s.Help
	switch s.Unit {
	case settings.Seconds:
		meaning += " Also `30s`, `5m`."
	case settings.Bytes:
		meaning += " Also `64k`, `10MB`."
	}
	cells := []string{"`" + s.Name + "`", flags, shown, s.Since, state, meaning}
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}
