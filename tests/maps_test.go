package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the maps: those that have a table of what lies in some folders: each file of
// the patterns is named in them, tests left out.
var pages = map[string][]string{
	"wsgi/DESIGN.md":      {"wsgi/*.go", "wsgi/server/*.go", "wsgi/answer/*.go", "wsgi/caller/*.go", "wsgi/call/*.go"},
	"cmd/gosrv/DESIGN.md": {"cmd/gosrv/internal/master/*.go", "cmd/gosrv/internal/*"},
	"cgo/DESIGN.md":       {"cgo/*.c"},
}

// sourceName matches the name of a source in backquotes, with or without its folder.
var sourceName = regexp.MustCompile("`([\\w./]*\\b\\w+\\.(?:go|c|h|py))`")

func TestMapsNameWhatIsThere(t *testing.T) {
	const why = "a newcomer finds a thing by the map or not at all"
	for page, patterns := range pages {
		text, err := os.ReadFile(filepath.Join("..", page))
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, word := range regexp.MustCompile(`[\w.]+`).FindAllString(string(text), -1) {
			named[word] = true
		}
		for _, pattern := range patterns {
			files, err := filepath.Glob(filepath.Join("..", pattern))
			if err != nil || len(files) == 0 {
				t.Errorf("%s: nothing is there: was it moved? Change the rule with it (%v)", pattern, err)
			}
			for _, file := range files {
				if name := filepath.Base(file); !strings.HasSuffix(name, "_test.go") && !named[name] {
					t.Errorf("%s does not name %s: %s", page, name, why)
				}
			}
		}
	}
}

func TestMapsNameNothingThatIsGone(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != ".." {
			return filepath.SkipDir
		}
		there[entry.Name()] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for page := range pages {
		text, err := os.ReadFile(filepath.Join("..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range sourceName.FindAllSubmatch(text, -1) {
			if !there[filepath.Base(string(match[1]))] {
				t.Errorf("%s names %s, which is not there", page, match[1])
			}
		}
	}
}
