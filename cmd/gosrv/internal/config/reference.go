package config

import (
	"fmt"
	"strings"
)

// Reference gives the settings reference as Markdown: one table a section with every row of the settings table, and the
// sum of the states in front.
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
	fmt.Fprintf(&b, "Of Gunicorn's %d settings %d work as there, %d work better, %d have nothing to do here, %d are accepted without effect yet and %d are refused. gosrv adds %d of its own.\n",
		len(settings)-own, count[Works], count[Better], count[NoEffect], count[Pending], count[Unsupported], own)
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
	cells := []string{"`" + s.Name + "`", flags, shown, s.Since, state, s.Help}
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}
