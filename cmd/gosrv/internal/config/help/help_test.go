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
	help := Text()
	for line := range strings.SplitSeq(help, "\n") {
		if len(line) > 79 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, s := range settings.Table {
		name := listName(s)
		if !strings.Contains(help, name) {
			t.Errorf("%s is not in --help", name)
		}
	}
	if !strings.HasPrefix(help, "usage: gosrv [OPTIONS] [APP_MODULE]\n") || !strings.Contains(help, "\nExample:\n") {
		t.Error("usage line or example is missing")
	}
}

func TestColouredHelpSaysTheSame(t *testing.T) {
	text := Coloured()
	for _, code := range []string{"\x1b[1m", "\x1b[36m", "\x1b[0m"} {
		if !strings.Contains(text, code) {
			t.Errorf("no %q", code)
		}
		text = strings.ReplaceAll(text, code, "")
	}
	if text != Text() {
		t.Error("without its colours it is another text")
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
		if !slices.Contains(sections, s.Section) {
			t.Errorf("%s: section %q is not in --help", s.Name, s.Section)
		}
	}
}
