package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gosrv/tests/shape"
)

// Limits of a reader's memory: how many files make a package, how many methods a
// type. They are about sources without tests.
const (
	packageLeast, packageMost = 3, 12
	methodsMost               = 40
	methodFilesMost           = 6
	fieldsMost                = 20
)

// An exception may be as large as it says and may only fall. When what it is
// about keeps the limit, it has to go: the test says so.
type exception struct {
	most   int
	reason string
}

// largePackages have more files than packageMost. So do Python packages, by path.
var largePackages = map[string]exception{
	"wsgi/server": {24, "one state machine, a connection from accept to close, whose steps call each other, from a thread or from greenlets"},
}

// smallPackages have fewer files than packageLeast.
var smallPackages = map[string]string{
	"cgo/cgotest":                  "bodies of cgo's tests, which a test file may not have in C",
	"cgo/library":                  "its constructor acts in every binary that links it",
	"cgo/zygote":                   "its constructor acts in every binary that links it",
	"cmd/libgosrv":                 "a program is a folder of its own",
	"cmd/gosrv/internal/beside":    "two keepers, and when each of them is wanted",
	"cmd/gosrv/internal/cgroup":    "one question to one file system",
	"cmd/gosrv/internal/commands":  "one program of four short words",
	"cmd/gosrv/internal/daemon":    "one step of the start, before anything else has run",
	"cmd/gosrv/internal/libgosrv":  "holds a file that the build puts there",
	"cmd/gosrv/internal/pidfile":   "one kind of file",
	"cmd/gosrv/internal/reception": "one thing, in steps",
	"cmd/gosrv/internal/status":    "one format that master and commands share",
	"cmd/gosrv/internal/systemd":   "one protocol",
	"cmd/gosrv/internal/title":     "unsafe, in as little as can be",
	"cmd/gosrv/internal/upgrade":   "one protocol between two masters",
	"cmd/gosrv/monitor":            "a program is a folder of its own",
	"cmd/gosrv/monitor/history":    "one thing: an hour of one server",
	"pyshim":                       "holds the shim's files for the program",
	"tests/shape/figures":          "a program is a folder of its own",
	"wsgi/handover":                "a packet and the socket pair that it goes over",
	"wsgi/health":                  "a leaf that master and worker share",
	"wsgi/ipc/challenges":          "one kind of file",
	"wsgi/ipc/memfile":             "one kind of file",
	"wsgi/ipc/tlspolicy":           "one form of what the master says of TLS",
	"wsgi/logs/route":              "the way from settings to the others of logs",
	"wsgi/logs/queue":              "one goroutine, and the count of what it cannot take",
	"wsgi/logs/errlog":             "a leaf that master and worker share",
	"wsgi/logs/statsd":             "a leaf that master and worker share",
	"wsgi/logs/syslog":             "a leaf that master and worker share",
	"wsgi/osthread":                "one call, of master and worker",
	"wsgi/orphan":                  "one call, kept from waiting for anything of the loop's",
	"wsgi/spool":                   "one kind of file",
	"wsgi/watchdog":                "kept apart from the connections that it watches",
}

// largeTypes exceed one of the limits of types: "methods", "files" or "fields".
var largeTypes = map[string]map[string]exception{
	"wsgi/ipc/workerctl.Settings": {"fields": {67, oneField}},
	"wsgi/http1.Request":          {"fields": {25, "the parts of one request, as offsets into one buffer"}},
	"wsgi/call.Result":            {"fields": {21, "the layout of gosrv_result: one crossing gives all of it"}},
}

const oneField = "one field a setting, read by name"

// shapes measures the repository once.
var shapes = sync.OnceValues(func() ([]*shape.Package, error) { return shape.Packages("..") })

func measured(t *testing.T) []*shape.Package {
	t.Helper()
	packages, err := shapes()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// within compares a number with its limit, or with the exception from it.
func within(t *testing.T, what string, n, limit int, excepted exception, why string) {
	t.Helper()
	switch {
	case excepted.reason == "" && n > limit:
		t.Errorf("%s, more than %d: %s", what, limit, why)
	case excepted.reason != "" && n <= limit:
		t.Errorf("%s, no more than %d: take its exception out of shape_test.go", what, limit)
	case excepted.reason != "" && n > excepted.most:
		t.Errorf("%s, more than the %d of its exception (%s), which may only fall: %s", what, excepted.most, excepted.reason, why)
	case excepted.reason != "" && n < excepted.most:
		t.Errorf("%s, fewer than the %d of its exception: lower it, so that it stays so", what, excepted.most)
	}
}

func TestPackagesHaveOneJob(t *testing.T) {
	const why = "cut out the part that refers to nothing else; its first sentence is its job"
	stale := map[string]bool{}
	for name := range largePackages {
		stale[name] = true
	}
	for name := range smallPackages {
		stale[name] = true
	}
	for _, p := range measured(t) {
		delete(stale, p.Path)
		n := len(p.Files)
		if n == 0 {
			continue // tests only
		}
		within(t, quantity(p.Path, n, "files"), n, packageMost, largePackages[p.Path], why)
		reason := smallPackages[p.Path]
		if n < packageLeast && reason == "" {
			t.Errorf("%s, fewer than %d: let it be part of the package that uses it, or name the reason in smallPackages", quantity(p.Path, n, "files"), packageLeast)
		}
		if n >= packageLeast && reason != "" {
			t.Errorf("%s: take it out of smallPackages", quantity(p.Path, n, "files"))
		}
	}
	modules, err := shape.Modules("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range modules {
		delete(stale, name)
		within(t, quantity(name, n, "modules"), n, packageMost, largePackages[name], why)
	}
	rooms, err := shape.Rooms("../cgo")
	if err != nil {
		t.Fatal(err)
	}
	for room, n := range rooms {
		within(t, quantity("the room cgo/"+room, n, "C files"), n, packageMost, exception{}, why)
		if _, err := os.Stat("../cgo/" + room + ".h"); room != "" && err != nil {
			t.Errorf("the room cgo/%s has no header: %v", room, err)
		}
	}
	for name := range stale {
		t.Errorf("%s has an exception in shape_test.go and does not exist: take it out", name)
	}
}

func TestTypesAreNoMeetingPlaces(t *testing.T) {
	const why = "a part that owns its data is a type of its own; a function that needs three fields takes three arguments"
	stale := map[string]bool{}
	for name := range largeTypes {
		stale[name] = true
	}
	for _, p := range measured(t) {
		for name, typ := range p.Types {
			name = p.Path + "." + name
			delete(stale, name)
			excepted := largeTypes[name]
			within(t, quantity(name, typ.Methods, "methods"), typ.Methods, methodsMost, excepted["methods"], why)
			within(t, quantity(name, typ.Files, "files with methods"), typ.Files, methodFilesMost, excepted["files"], why)
			within(t, quantity(name, typ.Fields, "fields"), typ.Fields, fieldsMost, excepted["fields"], why)
		}
	}
	for name := range stale {
		t.Errorf("%s has an exception in shape_test.go and does not exist: take it out", name)
	}
}

func quantity(what string, n int, unit string) string {
	return fmt.Sprintf("%s has %d %s", what, n, unit)
}

func TestPythonFunctionsAreShort(t *testing.T) {
	files, err := shape.PythonFiles("..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d Python files: have they moved? Change the rule with them", len(files))
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel("..", path)
		for _, f := range shape.PythonFunctions(string(text)) {
			if f.Lines > functionNever {
				t.Errorf("%s:%s has %d lines, more than %d: a reader loses its beginning", name, f.Name, f.Lines, functionNever)
			}
		}
	}
}
