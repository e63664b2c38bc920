package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// topLevel is all that a visitor meets first. The folders and the three files of
// the build are fixed; what is beside them has to say why it cannot lie elsewhere.
var topLevel = map[string]string{
	"cmd": "", "cpython": "", "wsgi": "", "environ": "", "cgo": "", "pyshim": "", "tests": "", "go.mod": "", "Makefile": "", "README.md": "",
	"go.sum":          "the go command wants it beside go.mod",
	".ci":             "the one entry of CI",
	".gitignore":      "git reads it there",
	"LICENSE":         "code hosts, packagers and scanners look for it there",
	"CHANGELOG.md":    "whoever upgrades looks for it there",
	"CONTRIBUTING.md": "code hosts show it to whoever opens an issue, if it is there",
	"SECURITY.md":     "code hosts show it to whoever reports a hole, if it is there",
}

func TestNothingElseIsOnTheTopLevel(t *testing.T) {
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("no git repository: %v", err)
	}
	seen := map[string]bool{}
	for name := range strings.FieldsSeq(string(out)) {
		name, _, _ = strings.Cut(strings.Trim(name, `"`), "/")
		seen[name] = true
	}
	for name := range seen {
		if _, allowed := topLevel[name]; !allowed {
			t.Errorf("%s lies on the top level: put it into the folder that it is about", name)
		}
	}
	for name := range topLevel {
		if !seen[name] {
			t.Errorf("%s is allowed on the top level and not there: take it out of top_test.go", name)
		}
	}
}

const licences = "../pyshim/wheel/licenses"

// legal are the files of a module whose text has to go with its code.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.[a-z]+)?$`)

// TestTheLicencesOfOthersAreShipped compares the texts that packages carry with those of the modules in the three
// binaries, and of Go, whose runtime is in all of them.
func TestTheLicencesOfOthersAreShipped(t *testing.T) {
	wanted := map[string]string{"go": goEnv(t, "GOROOT")}
	for line := range strings.Lines(run(t, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./cmd/gosrv", "./cmd/libgosrv", "./cmd/gosrv/monitor")) {
		if path, dir, found := strings.Cut(strings.TrimSpace(line), " "); found {
			wanted[strings.ReplaceAll(path, "/", "_")] = dir
		}
	}
	for name, dir := range wanted {
		text, files := legalText(t, dir)
		shipped, _ := os.ReadFile(filepath.Join(licences, name+".txt"))
		if len(files) == 0 {
			t.Errorf("%s has no licence: it may not be shipped", name)
		} else if !bytes.Equal(text, shipped) {
			t.Errorf("%s/%s.txt is not the text that goes with the code: cat %s > pyshim/wheel/licenses/%s.txt", licences, name, strings.Join(files, " "), name)
		}
	}
	entries, err := os.ReadDir(licences)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		// zig compiles what is in the wheels and puts some functions of its own into it.
		name := strings.TrimSuffix(entry.Name(), ".txt")
		if _, used := wanted[name]; !used && name != "zig" {
			t.Errorf("%s/%s is of a module that is no longer used", licences, entry.Name())
		}
	}
}

func legalText(t *testing.T, dir string) (text []byte, files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !legal.MatchString(entry.Name()) || entry.IsDir() {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		part, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, files = append(text, part...), append(files, path)
	}
	return text, files
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "go", "env", name))
}

// run gives what a command prints that is run at the top of the repository.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", strings.Join(argv, " "), err))
	}
	return string(out)
}
