package pyshim

import (
	"path"
	"slices"
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
