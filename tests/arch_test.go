// Package tests holds the rules of this repository as tests: who may import
// whom, how large a file may grow, what stands above a function of the C
// boundary. Each rule carries its reason, so that a failure explains itself.
package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "gosrv"

// pkg is what `go list -json` says of one package of this repository; file
// names are relative to Dir.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	CgoFiles     []string
	CFiles       []string
	HFiles       []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// name is the import path below the module: "wsgi/http1".
func (p *pkg) name() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// ours lists the packages of this repository that p's production code imports.
func (p *pkg) ours() []string {
	var found []string
	for _, path := range p.Imports {
		if strings.HasPrefix(path, module+"/") {
			found = append(found, strings.TrimPrefix(path, module+"/"))
		}
	}
	return found
}

// packages reads the whole repository by the go command itself, once.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var listed = sync.OnceValues(func() (map[string]*pkg, error) {
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	found := map[string]*pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list -json: %w", err)
		}
		found[p.name()] = p
	}
})

// mustHave fails when a rule names a package that is gone: a rule about
// nothing would pass for ever.
func mustHave(t *testing.T, all map[string]*pkg, names ...string) {
	t.Helper()
	for _, name := range names {
		if all[name] == nil {
			t.Errorf("package %s is named by a rule and does not exist: was it moved? Change the rule with it", name)
		}
	}
}

func TestOnlyCgoPackagesImportC(t *testing.T) {
	const why = "one place to audit lifetimes; C types do not cross packages"
	all := packages(t)
	allowed := []string{"cgo", "cgo/zygote", "cgo/library", "cgo/cgotest"}
	mustHave(t, all, allowed...)
	for name, p := range all {
		if len(p.CgoFiles) > 0 && !slices.Contains(allowed, name) {
			t.Errorf(`%s imports "C" in %v: %s`, name, p.CgoFiles, why)
		}
	}
}

// importers checks that `imported` is imported by the named packages only.
func importers(t *testing.T, all map[string]*pkg, imported, why string, allowed ...string) {
	t.Helper()
	mustHave(t, all, append(allowed, imported)...)
	for name, p := range all {
		if slices.Contains(p.ours(), imported) && !slices.Contains(allowed, name) {
			t.Errorf("%s imports %s: %s", name, imported, why)
		}
	}
}

func TestOnlyCpythonImportsCgo(t *testing.T) {
	importers(t, packages(t), "cgo", "the rule about the GIL lives in one package", "cpython", "cgo/zygote", "cgo/library", "cgo/cgotest")
}

func TestOnlyTheProgramImportsTheZygote(t *testing.T) {
	importers(t, packages(t), "cgo/zygote", "its constructor takes over any binary that links it", "cmd/gosrv")
}

func TestOnlyTheLibraryImportsItsWayIn(t *testing.T) {
	importers(t, packages(t), "cgo/library", "its constructor keeps Go from starting in any binary that links it", "cmd/libgosrv")
}

func TestParserAndEnvironAreBytesOnly(t *testing.T) {
	const why = "what reads hostile input is tested and fuzzed with bytes alone"
	all := packages(t)
	parsers := []string{"wsgi/http1", "wsgi/http1/proxyproto", "wsgi/http2", "environ"}
	mustHave(t, all, parsers...)
	for _, name := range parsers {
		p := all[name]
		if p == nil {
			continue
		}
		for _, path := range p.Imports {
			if path == "net" || path == "os" || path == "syscall" || strings.HasPrefix(path, "os/") || path == module+"/cpython" {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
	}
}

// leaves are what both master and worker need; they import nothing of ours but each other.
var leaves = []string{"wsgi/ipc/memfile", "wsgi/ipc/metrics", "wsgi/ipc/tlspolicy", "wsgi/ipc/challenges", "wsgi/logs/queue", "wsgi/logs/route", "wsgi/ipc/scoreboard", "wsgi/logs/accesslog", "wsgi/logs/errlog", "wsgi/ipc/workerctl", "wsgi/logs/syslog", "wsgi/logs/statsd", "wsgi/health"}

func TestLeavesImportEachOtherOnly(t *testing.T) {
	const why = "master and worker share it, so that it can drag neither into the other"
	all := packages(t)
	mustHave(t, all, append(leaves, "wsgi/http1", "wsgi/http1/proxyproto")...)
	for _, name := range append(leaves, "wsgi/http1", "wsgi/http1/proxyproto") {
		if p := all[name]; p != nil && slices.ContainsFunc(p.ours(), func(path string) bool { return !slices.Contains(leaves, path) }) {
			t.Errorf("%s imports %v: %s", name, p.ours(), why)
		}
	}
}

// rooms are the parts of a worker, each with those of ours that it may import.
var rooms = map[string][]string{
	"wsgi/response": {"wsgi/http1"},
	"wsgi/http2":    {},
	"wsgi/h2io":     {"wsgi/http2", "wsgi/loop"},
	"wsgi/watchdog": {"wsgi/loop"},
	"wsgi/lead":     {"wsgi/loop"},
	"wsgi/answer":   {"wsgi/body", "wsgi/call", "wsgi/http1", "wsgi/loop", "wsgi/measure", "wsgi/response", "wsgi/watchdog"},
	"wsgi/measure":  {"wsgi/http1", "wsgi/ipc/metrics"},
	"wsgi/handover": {"wsgi/http1/proxyproto", "wsgi/loop", "wsgi/ipc/scoreboard", "wsgi/ipc/workerctl"},
	"wsgi/call":     {"wsgi/http1", "wsgi/http1/proxyproto"},
	"wsgi/caller":   {"cpython", "environ", "wsgi/call", "wsgi/http1", "wsgi/ipc/workerctl"},
	"wsgi/access":   {"wsgi/call", "wsgi/http1", "wsgi/response", "wsgi/ipc/metrics", "wsgi/ipc/workerctl", "wsgi/logs/accesslog", "wsgi/logs/errlog", "wsgi/logs/route", "wsgi/logs/syslog"},
	"wsgi/body":     {"wsgi/http1", "wsgi/loop", "wsgi/spool", "wsgi/call"},
}

func TestPartsOfAWorkerKnowTheirNeighboursOnly(t *testing.T) {
	const why = "a part returns what came of it and its owner acts, so no arrow points back up"
	all := packages(t)
	for name, allowed := range rooms {
		mustHave(t, all, append(allowed, name)...)
		if all[name] == nil {
			continue
		}
		for _, path := range all[name].ours() {
			if !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
	}
}

// TestTheServerKnowsNoCaller looks at all that the server is made of, and at its tests: they drive it by its own
// interface, without Python.
func TestTheServerKnowsNoCaller(t *testing.T) {
	const why = "the server meets the application by server.Application and package call, so that another kind of caller needs no change of it"
	all := packages(t)
	mustHave(t, all, "wsgi/server", "wsgi/caller", "environ", "cpython", "cgo")
	seen := map[string]bool{}
	var look func(name string)
	look = func(name string) {
		p := all[name]
		if seen[name] || p == nil {
			return
		}
		seen[name] = true
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			path = strings.TrimPrefix(path, module+"/")
			if slices.Contains([]string{"wsgi/caller", "environ", "cpython", "cgo"}, path) {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
			look(path)
		}
	}
	look("wsgi/server")
}

func TestWhoLeadsIsKnownInAFewFiles(t *testing.T) {
	const why = "crew.go offers what the rest of the server needs to know of its threads"
	crew := []string{"crew.go", "pool.go", "supervise.go", "backup_loop.go"}
	inside := regexp.MustCompile(`"gosrv/wsgi/lead"|\bcrew\.(pool|backup)\b`)
	p := packages(t)["wsgi/server"]
	if p == nil {
		t.Fatal("package wsgi/server does not exist: was it moved? Change the rule with it")
	}
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if found := inside.Find(text); found != nil && !slices.Contains(crew, name) {
			t.Errorf("wsgi/server/%s names %s: %s", name, found, why)
		}
	}
}

func TestTheMasterSideKnowsNoPython(t *testing.T) {
	const why = "the master must stay alive when Python does not; it may share leaves with the worker and nothing else"
	const side = "cmd/gosrv/internal/"
	all := packages(t)
	found := false
	for name, p := range all {
		if !strings.HasPrefix(name, side) {
			continue
		}
		found = true
		for _, path := range p.ours() {
			if !strings.HasPrefix(path, side) && !slices.Contains(leaves, path) {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
	}
	if !found {
		t.Errorf("no package below %s: was it moved? Change the rule with it", side)
	}
}

// TestTheServerLinksNoLibrariesOfTheOtherProgram looks at all that the two binaries of the server are made of.
func TestTheServerLinksNoLibrariesOfTheOtherProgram(t *testing.T) {
	const why = "it costs master and each worker memory: what gets certificates and shows metrics is a program of its own (cmd/gosrv/monitor)"
	cmd := exec.Command("go", "list", "-deps", "./cmd/gosrv", "./cmd/libgosrv")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		for _, foreign := range []string{"github.com/caddyserver/", "github.com/mholt/", "go.uber.org/zap", "github.com/prometheus/", "net/http"} {
			if path == foreign || strings.HasSuffix(foreign, "/") && strings.HasPrefix(path, foreign) {
				t.Errorf("the server links %s: %s", path, why)
			}
		}
	}
}

func TestUnsafeIsWhereItIsLookedFor(t *testing.T) {
	const why = "memory that Go does not guard is read in a few named packages"
	all := packages(t)
	allowed := []string{"cgo", "cgo/cgotest", "wsgi/call", "wsgi/loop", "wsgi/ipc/scoreboard", "wsgi/ipc/metrics", "environ", "cmd/gosrv/internal/title"}
	mustHave(t, all, allowed...)
	for name, p := range all {
		if slices.Contains(p.Imports, "unsafe") && !slices.Contains(allowed, name) {
			t.Errorf("%s imports unsafe: %s", name, why)
		}
	}
}

func TestNamesOfPackagesSayWhatTheyDo(t *testing.T) {
	const why = "a package named for nothing collects everything"
	banned := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "manager", "shared"}
	for name := range packages(t) {
		if slices.Contains(banned, filepath.Base(name)) {
			t.Errorf("package %s: %s", name, why)
		}
	}
}
