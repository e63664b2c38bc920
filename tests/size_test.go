package tests

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Limits of one reading. Above `ask` a file needs its reason below; above
// `never` no reason helps.
const (
	goFileAsk, goFileNever = 400, 600
	cFileAsk, cFileNever   = 400, 500
	boundaryNever          = 31
	functionNever          = 60
	cgoFilesNever          = 8
	exportsNever           = 12
)

// longFiles are those above `ask`, each with the reason why it is not split.
var longFiles = map[string]string{
	"wsgi/server/wire_test.go": "a table of requests and answers",
}

// sources lists the files of this repository that end in one of the suffixes,
// as paths below its root.
func sources(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var found []string
	for name, p := range packages(t) {
		entries, err := os.ReadDir(p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			for _, suffix := range suffixes {
				if strings.HasSuffix(entry.Name(), suffix) {
					found = append(found, filepath.Join(name, entry.Name()))
				}
			}
		}
	}
	return found
}

func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

func TestFilesAreShort(t *testing.T) {
	unused := maps.Clone(longFiles)
	for _, path := range sources(t, ".go", ".c", ".h") {
		ask, never := goFileAsk, goFileNever
		if !strings.HasSuffix(path, ".go") {
			ask, never = cFileAsk, cFileNever
		}
		n, reason := lines(t, path), longFiles[path]
		if n > ask {
			delete(unused, path)
		}
		table := strings.Contains(reason, "table")
		if n > never && !table {
			t.Errorf("%s has %d lines, more than %d: split it by duty", path, n, never)
		} else if n > ask && reason == "" {
			t.Errorf("%s has %d lines, more than %d: split it by duty, or name the reason in longFiles", path, n, ask)
		}
	}
	for path := range unused {
		t.Errorf("%s is named in longFiles and is not long, or not there: take it out", path)
	}
}

func TestFunctionsAreShort(t *testing.T) {
	for _, path := range sources(t, ".go") {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join("..", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
			name := fmt.Sprintf("%s:%s", path, fn.Name.Name)
			if n > functionNever {
				t.Errorf("%s has %d lines, more than %d: a reader loses its beginning", name, n, functionNever)
			}
		}
	}
}

// cFunction matches the head of a C function definition that starts a line and
// whose body starts with a brace at the end of a line or alone on one.
var cFunction = regexp.MustCompile(`(?m)^[a-zA-Z_][\w\s\*]*?\b(\w+)\([^;{}]*\)\s*\{[^\n]*\n((?:[^}\n][^\n]*)?\n)*?\}`)

func TestCFunctionsAreShort(t *testing.T) {
	for _, path := range sources(t, ".c") {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range cFunction.FindAllSubmatch(text, -1) {
			n := bytes.Count(match[0], []byte("\n")) + 1
			name := path + ":" + string(match[1])
			if n > functionNever {
				t.Errorf("%s has %d lines, more than %d: a reader loses its beginning", name, n, functionNever)
			}
		}
	}
}

func TestTheBoundaryIsNarrow(t *testing.T) {
	var files []string
	exports := 0
	for name, p := range packages(t) {
		for _, file := range p.CgoFiles {
			files = append(files, filepath.Join(name, file))
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			exports += len(regexp.MustCompile(`(?m)^//export `).FindAll(text, -1))
		}
	}
	if len(files) == 0 || len(files) > cgoFilesNever {
		t.Errorf(`%d files import "C", of at most %d: %v`, len(files), cgoFilesNever, files)
	}
	if exports > exportsNever {
		t.Errorf("%d //export functions, of at most %d: every one is a way back into Go with the GIL in doubt", exports, exportsNever)
	}
}

// declaration matches a function declared in a header of the boundary, with the
// comment that stands right above it, if there is one.
var declaration = regexp.MustCompile(`(?m)(?:/\*((?:[^*]|\*[^/])*)\*/\n)?^[a-z][\w\s\*]*?\b(gosrv_\w+)\([^;{}]*\)(?:\s*__attribute__\(\(.*\)\))?;`)

var ownInclude = regexp.MustCompile(`(?m)^#include "(.+)"$`)

// boundary lists the headers that Go includes, with those that they include, as
// paths below the root. cgotest is left out: its functions are the bodies of
// tests, called by nobody else.
func boundary(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	var follow func(path string)
	follow = func(path string) {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range ownInclude.FindAllSubmatch(text, -1) {
			header := filepath.Join(filepath.Dir(path), string(match[1]))
			if _, err := os.Stat(filepath.Join("..", header)); err != nil {
				header = filepath.Join("cgo", string(match[1])) // -I.. of the packages below it
			}
			if !seen[header] {
				seen[header] = true
				follow(header)
			}
		}
	}
	for name, p := range packages(t) {
		for _, file := range p.CgoFiles {
			if name != "cgo/cgotest" {
				follow(filepath.Join(name, file))
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func TestEveryBoundaryFunctionHasItsContract(t *testing.T) {
	const why = "thread, GIL and ownership cannot be seen from a signature, and a wrong guess is a crash in somebody's request"
	functions := 0
	for _, header := range boundary(t) {
		text, err := os.ReadFile(filepath.Join("..", header))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range declaration.FindAllSubmatch(text, -1) {
			functions++
			checkContract(t, header+": "+string(match[2]), string(match[2]), string(match[1]), why)
		}
	}
	if functions < 5 {
		t.Fatalf("found %d functions in the headers that Go includes: has their form changed? Change the rule with it", functions)
	}
	if functions > boundaryNever {
		t.Errorf("%d functions in the headers that Go includes, more than %d: the boundary is to be read in one go", functions, boundaryNever)
	}
}

func checkContract(t *testing.T, place, name, comment, why string) {
	t.Helper()
	if !strings.HasPrefix(strings.TrimSpace(comment), name+":") {
		t.Errorf("%s: the comment above it must begin with its name: %s", place, why)
		return
	}
	at := 0
	for _, word := range []string{"thread:", "GIL:", "lends:", "gives:", "fails:"} {
		next := strings.Index(comment[at:], "\n * "+word)
		if next < 0 {
			t.Errorf("%s: its contract lacks the line %q, or has it out of order: %s", place, word, why)
			return
		}
		at += next
	}
}

// TestNoConflictIsLeft looks for what git writes into a text that two have changed.
func TestNoConflictIsLeft(t *testing.T) {
	marker := regexp.MustCompile(`(?m)^(<{7}|>{7}) `)
	files := 0
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != ".." || entry.Name() == "bin" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		switch filepath.Ext(path) {
		case ".go", ".c", ".h", ".py", ".md", ".toml", ".txt":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if files++; marker.Match(text) {
				t.Errorf("%s has a conflict in it", path)
			}
		}
		return nil
	})
	if err != nil || files < 300 {
		t.Errorf("looked at %d files, %v", files, err)
	}
}
