package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const troubleshooting = "../cmd/gosrv/docs/troubleshooting.md"

var (
	verb        = regexp.MustCompile(`%(?:[-+# 0-9.\[\]]*)[a-zA-Z]|%\([a-z]+\)s`)
	warns       = []string{"Warningf", "Errorf", "Criticalf"}
	pythonWarns = regexp.MustCompile(`(?:\blog|_log|logger)\.(?:warning|error|critical|exception)\(\s*("(?:[^"\\]|\\.)*")`)
	heading     = regexp.MustCompile("(?m)^### `(.*)`$")
)

// shown is a message as the page has it: its first line, with ... for what differs from case to case.
func shown(format string) string {
	line, _, _ := strings.Cut(format, "\n")
	return verb.ReplaceAllString(line, "...")
}

// TestTheLogsMessagesAreExplained compares the messages of level warning and above with the page about troubleshooting:
// whoever meets one looks it up there. A heading may be the beginning of several messages. What a message gets from
// elsewhere as a whole (an error, a traceback) has a heading of the page's own choice, which is in some text of the code.
func TestTheLogsMessagesAreExplained(t *testing.T) {
	page, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	unused := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(string(page), -1) {
		unused[found[1]] = true
	}
	headings := slices.Collect(maps.Keys(unused))
	messages, texts := said(t)
	for message, where := range messages {
		i := slices.IndexFunc(headings, func(h string) bool { return strings.HasPrefix(message, h) })
		if i < 0 {
			t.Errorf("%s says %q, and troubleshooting.md has no paragraph about it: give it the heading ### `%s`, what it means and what to do", where, message, message)
			continue
		}
		for _, h := range headings {
			if strings.HasPrefix(message, h) {
				delete(unused, h)
			}
		}
	}
	for h := range unused {
		if !strings.Contains(texts, h) {
			t.Errorf("troubleshooting.md explains %q, which nothing in the code says", h)
		}
	}
}

// said gives the messages of the error log with their place, and all texts of the code, one a line.
func said(t *testing.T) (messages map[string]string, texts string) {
	t.Helper()
	messages = map[string]string{}
	var all strings.Builder
	for _, path := range sources(t, ".go") {
		if strings.HasSuffix(path, "_test.go") || !strings.HasPrefix(path, "wsgi") && !strings.HasPrefix(path, "cmd/") && !strings.HasPrefix(path, "cpython") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, isText := literal(n); isText {
				all.WriteString(verb.ReplaceAllString(text, "...") + "\n")
			}
			if text, isCall := logged(n); isCall && strings.Trim(shown(text), ". :;") != "" {
				messages[shown(text)] = path
			}
			return true
		})
	}
	err := filepath.WalkDir("../pyshim/gosrv_shim", func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".py" {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range pythonWarns.FindAllStringSubmatch(string(source), -1) {
			if text, err := strconv.Unquote(found[1]); err == nil && strings.Trim(shown(text), ".") != "" {
				messages[shown(text)] = path
			}
		}
		all.WriteString(verb.ReplaceAllString(string(source), "..."))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) < 40 {
		t.Fatalf("found %d messages only: have the log's functions got other names? Change the rule with them", len(messages))
	}
	return messages, all.String()
}

// logged gives the format of a call of the log.
func logged(n ast.Node) (string, bool) {
	call, isCall := n.(*ast.CallExpr)
	if !isCall || len(call.Args) == 0 {
		return "", false
	}
	function, isMethod := call.Fun.(*ast.SelectorExpr)
	if !isMethod || !slices.Contains(warns, function.Sel.Name) {
		return "", false
	}
	if of, isName := function.X.(*ast.Ident); isName && of.Name == "fmt" {
		return "", false
	}
	return literal(call.Args[0])
}

// literal gives a text that stands in the code, also one put together of several.
func literal(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		return text, err == nil && n.Kind == token.STRING
	case *ast.BinaryExpr:
		left, isText := literal(n.X)
		right, alsoText := literal(n.Y)
		return left + right, isText && alsoText && n.Op == token.ADD
	}
	return "", false
}
