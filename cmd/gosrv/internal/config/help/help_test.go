package help

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"gosrv/cmd/gosrv/internal/config/settings"
)

func TestHelpFitsTheTerminal(t *testing.T) {
	for _, columns := range []int{0, 40, 79, 80, 100, 300} {
		width := Fit(columns)
		for line := range strings.SplitSeq(Screen(width)+All(width), "\n") {
			words := strings.Fields(line)
			option := len(words) <= 3 // flags and their word stay together
			if len(line) > max(width, PlainWidth) || len(line) > width && !option && width >= PlainWidth {
				t.Errorf("%d columns of %d: %s", len(line), width, line)
			}
		}
	}
}

func TestEverySettingIsInTheHelp(t *testing.T) {
	all, screen := All(PlainWidth), Screen(PlainWidth)
	for _, s := range settings.Table {
		name := listName(s)
		if !strings.Contains(all, name) {
			t.Errorf("%s is not in `gosrv help all`", name)
		}
		if s.State < settings.NoEffect && !strings.Contains(screen, name) {
			t.Errorf("%s is not in --help", name)
		}
	}
	if !strings.HasPrefix(screen, "usage: gosrv [OPTIONS] [APP_MODULE]\n") || !strings.Contains(screen, "\nExample:\n") {
		t.Error("usage line or example is missing")
	}
}

func TestTopics(t *testing.T) {
	for _, topic := range Topics() {
		text, err := Topic(topic, PlainWidth)
		if err != nil || strings.Count(text, "\n") < 2 {
			t.Errorf("%s: %q, %v", topic, text, err)
		}
		if settings.ByName[topic] != nil {
			t.Errorf("%s is also the name of a setting, which nobody could ask for", topic)
		}
		for line := range strings.SplitSeq(texts[topic], "\n") {
			if len(line) > 74 {
				t.Errorf("%s: %d columns: %s", topic, len(line), line)
			}
		}
	}
	for _, word := range []string{"timeout", "-t", "--timeout", "GOSRV_TIMEOUT", "TIMEOUT"} {
		if text, err := Topic(word, PlainWidth); err != nil || !strings.Contains(text, "-t, --timeout INT") || !strings.Contains(text, "GOSRV_TIMEOUT") {
			t.Errorf("%s: %q, %v", word, text, err)
		}
	}
	for _, s := range settings.Table {
		if _, err := Topic(s.Name, PlainWidth); err != nil {
			t.Error(err)
		}
	}
	if _, err := Topic("tmeout", PlainWidth); err == nil || !strings.Contains(err.Error(), "did you mean timeout?") {
		t.Error(err)
	}
}

func TestColouredHelpSaysTheSame(t *testing.T) {
	plain := Screen(PlainWidth)
	text := Coloured(plain)
	for _, code := range []string{"\x1b[1m", "\x1b[36m", "\x1b[0m"} {
		if !strings.Contains(text, code) {
			t.Errorf("no %q", code)
		}
		text = strings.ReplaceAll(text, code, "")
	}
	if text != plain {
		t.Error("without its colours it is another text")
	}
}

func TestCompletionsOfferValuesThatAreTaken(t *testing.T) {
	for name, list := range words {
		s := settings.ByName[name]
		if s == nil {
			t.Errorf("%s is no setting", name)
			continue
		}
		for _, word := range list {
			if _, err := s.Accept(word); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestEveryOptionIsCompletedAndInTheManual(t *testing.T) {
	texts := map[string]string{"man": strings.ReplaceAll(Man(), `\-`, "-")}
	for shell := range shells {
		texts[shell], _ = Completion(shell)
	}
	for _, s := range completed() {
		long := listName(s)
		for name, text := range texts {
			if name == "fish" {
				long = "-l " + strings.TrimPrefix(long, "--")
			}
			if !strings.Contains(text, long) {
				t.Errorf("%s: no %s", name, long)
			}
			long = listName(s)
		}
	}
	if _, err := Completion("tcsh"); err == nil || !strings.Contains(err.Error(), "bash, fish, zsh") {
		t.Error(err)
	}
}

func TestReferenceHasEveryRow(t *testing.T) {
	text := Reference()
	for _, s := range settings.Table {
		if strings.Count(text, "\n| `"+s.Name+"` |") != 1 {
			t.Errorf("%s: not one row", s.Name)
		}
	}
	if !strings.Contains(text, "\n\nOf Gunicorn's 120 settings ") {
		t.Error(text[:800])
	}
}

var update = flag.Bool("update", false, "write the settings page anew")

func TestSettingsPageIsInStep(t *testing.T) {
	const page = "../../../docs/settings.md"
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Reference() {
		t.Error("cmd/gosrv/docs/settings.md is not what the table says: run make docs")
	}
}

func TestEverySectionHasItsHeading(t *testing.T) {
	for _, s := range settings.Table {
		if !slices.ContainsFunc(sections, func(sec section) bool { return sec.heading == s.Section }) {
			t.Errorf("%s: section %q is not in --help", s.Name, s.Section)
		}
	}
}
