package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// crossings are the functions that each request goes through on its way to the
// application and back, by file. Nobody counts their allocations at run time: the
// tests of wsgi stop before them, and those of cgo begin behind them.
var crossings = map[string][]string{
	"cpython/cpython.go":           {"Call", "Next", "Batch", "Finish", "Release", "CachedEnviron"},
	"wsgi/call/result.go":          {"RefBytes", "NotesBytes", "Note"},
	"wsgi/caller/description.go":   {"Describe"},
	"wsgi/caller/environ_cache.go": {"pack", "cacheFlags"},
	"wsgi/caller/thread.go":        {"Call"},
	"cgo/bridge.go":                {"AppCall", "CallNext", "CallBatch", "CallFinish", "GILRelease"},
}

// heapNews matches what the compiler says of a value that a function makes anew on the heap.
var heapNews = regexp.MustCompile(`(?m)^(?:\./)?(\S+\.go):(\d+):\d+: .*(?:escapes to heap|moved to heap).*$`)

func TestACrossingAllocatesNothing(t *testing.T) {
	const why = "the hot path gains no allocation: what C is lent by its address lives in the thread"
	for path, names := range crossings {
		cmd := exec.Command("go", "build", "-gcflags=-m", "./"+filepath.Dir(path))
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join("..", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !slices.Contains(names, fn.Name.Name) {
				continue
			}
			found++
			from, to := fset.Position(fn.Pos()).Line, fset.Position(fn.End()).Line
			for _, match := range heapNews.FindAllSubmatch(out, -1) {
				line, _ := strconv.Atoi(string(match[2]))
				if string(match[1]) == path && from <= line && line <= to {
					t.Errorf("%s: %s", match[0], why)
				}
			}
		}
		if found < len(names) {
			t.Errorf("%s has %d of the functions %v: were they renamed? Change the rule with them", path, found, names)
		}
	}
}
