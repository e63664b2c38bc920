package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
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

// pictured are the types whose values are states that a map shows, each with the heading of the section that does.
var pictured = []struct{ page, section, source, name string }{
	{"wsgi/DESIGN.md", "## States of a connection", "wsgi/server/conn.go", "phase"},
	{"wsgi/DESIGN.md", "## A connection that the application takes over", "wsgi/answer/holder.go", "Holder"},
	{"cmd/gosrv/DESIGN.md", "## The states of a worker", "cmd/gosrv/internal/workers/worker.go", "State"},
	{"cmd/gosrv/DESIGN.md", "### The states of a zygote", "cmd/gosrv/internal/zygote/process.go", "State"},
}

// valuesOf are the constants of a type that a file declares in one go, by iota.
func valuesOf(t *testing.T, path, name string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", path), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		first := block.Specs[0].(*ast.ValueSpec)
		if typ, ok := first.Type.(*ast.Ident); !ok || typ.Name != name {
			continue
		}
		for _, spec := range block.Specs {
			values = append(values, spec.(*ast.ValueSpec).Names[0].Name)
		}
	}
	if len(values) < 3 {
		t.Fatalf("%s declares %d values of %s: was it moved? Change the rule with it", path, len(values), name)
	}
	return values
}

func TestMapsShowEveryState(t *testing.T) {
	const why = "who looks for the way out of a state that the picture lacks takes the picture for the code"
	for _, x := range pictured {
		text, err := os.ReadFile(filepath.Join("..", x.page))
		if err != nil {
			t.Fatal(err)
		}
		_, section, found := strings.Cut(string(text), "\n"+x.section+"\n")
		if !found {
			t.Errorf("%s has no section %q: was it renamed? Change the rule with it", x.page, x.section)
			continue
		}
		picture := regexp.MustCompile("(?s)```\n.*?```|\n\\|.*?\n\n").FindString(section)
		for _, value := range valuesOf(t, x.source, x.name) {
			if !regexp.MustCompile(`(?i)\b` + value + `\b`).MatchString(picture) {
				t.Errorf("%s: %q does not show %s, a %s of %s: %s", x.page, x.section, value, x.name, x.source, why)
			}
		}
	}
}
