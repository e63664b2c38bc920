package pyshim

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rooms are the packages of the shim, each with those whose modules it may import, at the top of a file
// or in a function. The four files above them are zygote.py and worker.py, which use the rooms, and
// hooks.py and logs.py; only what hooks see is made of those.
var rooms = map[string][]string{
	"gosrv_shim/process": {},
	"gosrv_shim/request": {},
	"gosrv_shim/green":   {},
	"gosrv_shim/loading": {},
	"gosrv_shim/forks":   {"gosrv_shim/process"},
	"gosrv_shim/view":    {"gosrv_shim/process", "gosrv_shim/loading", "gosrv_shim"},
}

func TestRoomsKnowTheirNeighboursOnly(t *testing.T) {
	files := bundled(t)
	for room := range rooms {
		if _, ok := files[room+"/__init__.py"]; !ok {
			t.Errorf("%s has a rule and does not exist: was it moved? Change the rule with it", room)
		}
	}
	for name := range files {
		room := path.Dir(name)
		if path.Dir(room) != "gosrv_shim" {
			continue
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s has no rule: say which of its neighbours it may import", room)
		}
		for _, file := range imported(files, name) {
			if other := path.Dir(file); other != room && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s: what two rooms need has a room below both", name, file)
			}
		}
	}
}

// inFunction is an import statement of a function: it is carried out when the shim's finder is not there any more.
var inFunction = regexp.MustCompile(`(?m)^[ \t]+from (\.+)([\w.]+) import`)

// TestLateImportsNamePackages: a module that is loaded when it is first needed comes by its package's __getattr__ (PEP 562),
// so `from . import module` finds it and `from .module import name` does not.
func TestLateImportsNamePackages(t *testing.T) {
	files := bundled(t)
	for name, text := range files {
		if !strings.HasPrefix(name, "gosrv_shim/") {
			continue
		}
		for _, found := range inFunction.FindAllStringSubmatch(text, -1) {
			from := path.Dir(name)
			for range len(found[1]) - 1 {
				from = path.Dir(from)
			}
			module := path.Join(from, strings.ReplaceAll(found[2], ".", "/")) + ".py"
			if _, ok := files[module]; ok && found[2] != "eventlet_socket" { // at its module's top, in a condition
				t.Errorf("%s has `%s` in a function: say `from %s import %s`, and its names by that", name, strings.TrimSpace(found[0]), found[1], path.Base(found[2]))
			}
		}
	}
}
