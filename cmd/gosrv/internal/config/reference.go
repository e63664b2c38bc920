package config

import (
	"fmt"
	"strings"
)

const referenceIntro = `# Settings

Every setting by its name, in a configuration file, in ` + "`gosrv.toml`" + ` and as a variable (` + "`workers`" + `, ` + "`GOSRV_WORKERS`" + `); the
flags are those of the command line. [configuration.md](configuration.md) has the places and their order. This page is
made from the table in ` + "`internal/config`" + ` by ` + "`make docs`" + `.

`

// differences says, for each state, what the list of its settings is about.
var differences = []struct {
	state Support
	words string
}{
	{Better, "They do what they do in Gunicorn, and more:"},
	{NoEffect, "They are accepted, because they have nothing to do here:"},
	{Pending, "They are accepted with a warning, because they are not built yet:"},
	{Unsupported, "A value other than the default is an error that says what to use instead:"},
}

// Reference gives the settings reference as Markdown: how many settings are in which state, the differences from
// Gunicorn in words, and one table a section with every row of the settings table.
func Reference() string {
	var b strings.Builder
	count := map[Support]int{}
	own := 0
	for _, s := range settings {
		if s.Own() {
			own++
			continue
		}
		count[s.State]++
	}
	b.WriteString(referenceIntro)
	fmt.Fprintf(&b, "Of Gunicorn's %d settings (27.0.1) %d work as there, %d work better, %d have nothing to do here, %d are accepted without effect yet and %d are refused. gosrv adds %d of its own.\n",
		len(settings)-own, count[Works], count[Better], count[NoEffect], count[Pending], count[Unsupported], own)
	b.WriteString("\n## What differs from Gunicorn\n")
	for _, d := range differences {
		writeDifference(&b, d.state, d.words)
	}
	b.WriteString("\n## All settings\n")
	for _, section := range sectionOrder {
		fmt.Fprintf(&b, "\n### %s\n\n| setting | flags | default | since | state | meaning |\n|---|---|---|---|---|---|\n", section)
		for _, s := range settings {
			if s.Section == section {
				b.WriteString(s.referenceRow())
			}
		}
	}
	return b.String()
}

// writeDifference lists Gunicorn's settings of one state, those with the same note in one line.
func writeDifference(b *strings.Builder, state Support, words string) {
	var notes []string
	names := map[string][]string{}
	for _, s := range settings {
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

func (s *Setting) referenceRow() string {
	flags := "file only"
	if len(s.Flags) > 0 {
		flags = "`" + strings.Join(s.Flags, "` `") + "`"
	}
	shown := s.shownDefault()
	if text, isText := s.Default.(string); isText {
		shown = text
	}
	if shown == "" {
		shown = pyStr(s.Default)
		if _, isHook := s.Default.(Hook); isHook {
			shown = "does nothing"
		}
	}
	state := s.State.String()
	if s.Note != "" {
		state += ": " + s.Note
	}
	meaning := s.Help
	switch s.Unit {
	case Seconds:
		meaning += " Also `30s`, `5m`."
	case Bytes:
		meaning += " Also `64k`, `10MB`."
	}
	cells := []string{"`" + s.Name + "`", flags, shown, s.Since, state, meaning}
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}
