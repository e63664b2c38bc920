package pyshim

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A relative import of a module, at the top of a file or in a function: a circle is one, whenever it closes.
var relativeImport = regexp.MustCompile(`(?m)^\s*from (\.+)([\w.]*) import ([\w, ]+|\([^)]*\))`)

// imported lists the modules of files that one of them imports relatively, as dotted names.
func imported(files map[string]string, name string) []string {
	var found []string
	for _, match := range relativeImport.FindAllStringSubmatch(files[name], -1) {
		parts := strings.Split(strings.TrimSuffix(name, ".py"), "/")
		parts = parts[:len(parts)-len(match[1])]
		if match[2] != "" {
			parts = append(parts, strings.Split(match[2], ".")...)
		}
		from := strings.Join(parts, "/")
		for _, word := range strings.Split(strings.Trim(match[3], "()"), ",") {
			word, _, _ = strings.Cut(strings.TrimSpace(word), " ")
			for _, file := range []string{from + "/" + word + ".py", from + "/" + word + "/__init__.py", from + ".py", from + "/__init__.py"} {
				if _, ok := files[file]; ok && file != name {
					found = append(found, file)
					break
				}
			}
		}
	}
	return found
}

// bundled gives the shim's files by name, as the zygote gets them.
func bundled(t *testing.T) map[string]string {
	t.Helper()
	bundle, err := Bundle()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(bundle, []byte{0})
	var files map[string]string
	if err := json.Unmarshal(rest, &files); err != nil {
		t.Fatal(err)
	}
	return files
}

// A module that can only be read together with others is no module: what two of them share has a third.
func TestModulesImportNoneInACircle(t *testing.T) {
	files := bundled(t)
	edges, done := 0, map[string]bool{}
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if at := slices.Index(path, name); at >= 0 {
			t.Errorf("a circle: %s", strings.Join(append(path[at:], name), " imports "))
			return
		}
		if done[name] {
			return
		}
		path = append(path, name)
		for _, next := range imported(files, name) {
			edges++
			visit(next, path)
		}
		done[name] = true
	}
	for name := range files {
		visit(name, nil)
	}
	if edges < 20 {
		t.Errorf("found %d imports: has their form changed? Change the rule with it", edges)
	}
}
