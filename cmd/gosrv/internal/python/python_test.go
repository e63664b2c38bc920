package python

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake puts a script at path that answers the probe with r; a library that r
// promises is put where r says.
func fake(t *testing.T, path string, r report) {
	t.Helper()
	r.Executable = path
	answer, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	script(t, path, "cat <<'EOF'\n"+string(answer)+"\nEOF\n")
}

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
}

// good is a report whose library exists.
func good(t *testing.T, minor int) report {
	t.Helper()
	dir := t.TempDir()
	r := report{Implementation: "cpython", Major: 3, Minor: minor, Pointer: 8, Libdir: dir, BasePrefix: "/nonexistent", InstSoname: "libpythonX.so.1.0", Shared: true}
	if err := os.WriteFile(filepath.Join(dir, r.InstSoname), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestFirstHitWins(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for minor, path := range map[int]string{
		11: at("flag", "python"), 12: at("env", "python"), 13: at("gosrvvenv", "bin", "python"),
		14: at("venv", "bin", "python"), 15: at("path", "python3"), 16: at("path2", "python"),
	} {
		fake(t, path, good(t, minor))
	}
	if err := os.WriteFile(at("gosrvvenv", "pyvenv.cfg"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	script(t, at("opt", "gosrv"), "")
	if err := os.Symlink(at("opt", "gosrv"), at("gosrvvenv", "bin", "gosrv")); err != nil {
		t.Fatal(err)
	}
	path := at("path")
	for _, c := range []struct {
		name, want string
		q          Query
		env        map[string]string
	}{
		{"flag over all", "3.11", Query{Flag: at("flag", "python"), Binary: at("gosrvvenv", "bin", "gosrv")}, map[string]string{"GOSRV_PYTHON": at("env", "python")}},
		{"variable over venv", "3.12", Query{Binary: at("gosrvvenv", "bin", "gosrv")}, map[string]string{"GOSRV_PYTHON": at("env", "python"), "VIRTUAL_ENV": at("venv")}},
		{"own venv through a symlink", "3.13", Query{Binary: at("gosrvvenv", "bin", "gosrv")}, map[string]string{"VIRTUAL_ENV": at("venv"), "PATH": path}},
		{"active venv", "3.14", Query{Binary: at("opt", "gosrv")}, map[string]string{"VIRTUAL_ENV": at("venv"), "PATH": path}},
		{"python3 on PATH", "3.15", Query{Binary: at("opt", "gosrv")}, map[string]string{"PATH": at("path2") + ":" + path}},
		{"python on PATH", "3.16", Query{Binary: at("opt", "gosrv")}, map[string]string{"PATH": at("path2")}},
		{"deleted venv falls through", "3.15", Query{Binary: at("opt", "gosrv")}, map[string]string{"VIRTUAL_ENV": at("gone"), "PATH": path}},
	} {
		c.q.Getenv = getenv(c.env)
		p, err := Find(c.q)
		if err != nil || p.Version != c.want {
			t.Errorf("%s: %+v, %v; want %s", c.name, p, err, c.want)
		}
	}
}

func TestAFreeThreadedPython(t *testing.T) {
	path := filepath.Join(t.TempDir(), "python")
	r := good(t, 13)
	r.GILDisabled = true
	fake(t, path, r)
	for gil, ok := range map[string]bool{"": true, "1": true, "0": false} {
		q := Query{Flag: path, Getenv: func(name string) string { return map[string]string{"PYTHON_GIL": gil}[name] }}
		_, err := Find(q)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "PYTHON_GIL=0 asks to run it so") {
			t.Errorf("PYTHON_GIL=%s: %v", gil, err)
		}
	}
}

func TestUnusablePythonIsExplained(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "python")
	edit := func(change func(*report)) func(*testing.T) {
		return func(t *testing.T) { r := good(t, 11); change(&r); fake(t, path, r) }
	}
	for _, c := range []struct {
		name  string
		setup func(*testing.T)
		want  []string
	}{
		{"too old", edit(func(r *report) { r.Minor = 8 }), []string{"is Python 3.8, gosrv needs 3.9 or newer"}},
		{"two", edit(func(r *report) { r.Major, r.Minor = 2, 7 }), []string{"is Python 2.7, gosrv needs 3.9"}},
		{"pypy", edit(func(r *report) { r.Implementation = "pypy" }), []string{"is pypy, gosrv needs CPython"}},
		{"32 bit", edit(func(r *report) { r.Pointer = 4 }), []string{"32 bits"}},
		{"no library", edit(func(r *report) { r.Libdir, r.InstSoname, r.Multiarch = "/nonexistent/l", "libpython3.11.a", "m-a" }),
			[]string{"has no shared library", "/nonexistent/l/libpython3.11.so.1.0", "/nonexistent/lib/m-a/libpython3.11.so", "--enable-shared", "libpython3.11"}},
		{"not there", func(t *testing.T) { os.Remove(path) }, []string{"cannot run", "no such file or directory"}},
		{"does not start", func(t *testing.T) {
			script(t, path, "echo 'ModuleNotFoundError: no encodings' >&2; echo 'Current thread 0x1:' >&2; echo '  <no Python frame>' >&2; exit 1")
		}, []string{"cannot run", "ModuleNotFoundError: no encodings"}},
		{"crashes", func(t *testing.T) { script(t, path, "echo detail; echo it broke >&2; exit 1") }, []string{"cannot run", "it broke"}},
		{"not a python", func(t *testing.T) { script(t, path, "echo hello") }, []string{"does not seem to be a Python 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.setup(t)
			// A working one stands behind it: it must not be taken instead.
			fake(t, filepath.Join(dir, "bin", "python3"), good(t, 11))
			p, err := Find(Query{Flag: path, Getenv: getenv(map[string]string{"PATH": filepath.Join(dir, "bin")})})
			var failure *Error
			if !errors.As(err, &failure) || p != nil || failure.Hint == "" {
				t.Fatalf("%+v, %v", p, err)
			}
			for _, want := range append(c.want, "--python") {
				if !strings.Contains(failure.Message+failure.Hint, want) {
					t.Errorf("%q is not in: %s; %s", want, failure.Message, failure.Hint)
				}
			}
		})
	}
}

func TestNoPythonNamesThePlaces(t *testing.T) {
	_, err := Find(Query{Binary: "/opt/x/bin/gosrv", Getenv: getenv(map[string]string{"PATH": "/nonexistent/bin", "VIRTUAL_ENV": "/nonexistent/v"})})
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	for _, want := range []string{"no Python found", "/opt/x/bin/python", "/nonexistent/v/bin/python", "/nonexistent/bin"} {
		if !strings.Contains(failure.Message, want) {
			t.Errorf("%q is not in %s", want, failure.Message)
		}
	}
}

func TestNameInsteadOfPath(t *testing.T) {
	if _, err := Find(Query{Flag: "no-such-python", Getenv: os.Getenv}); err == nil || err.Error() != "--python: no-such-python is not on PATH" {
		t.Error(err)
	}
}

func TestLibraryIsFoundBesideAMovedInstallation(t *testing.T) {
	prefix := t.TempDir()
	lib := filepath.Join(prefix, "lib", "libpython3.11.so.1.0")
	script(t, lib, "")
	r := good(t, 11)
	r.Libdir, r.BasePrefix, r.InstSoname = "/nonexistent/build/lib", prefix, "libpython3.11.so.1.0"
	path := filepath.Join(prefix, "bin", "python")
	fake(t, path, r)
	p, err := Find(Query{Flag: path, Getenv: os.Getenv})
	if err != nil || p.Library != lib {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAPythonWithoutALibraryLoadsTheCarriedOne(t *testing.T) {
	r := good(t, 11)
	path := filepath.Join(t.TempDir(), "python")
	fake(t, path, r)
	p, err := Find(Query{Flag: path, Getenv: os.Getenv, Carried: true})
	if err != nil || p.Library != "" || !strings.Contains(p.String(), "library none") {
		t.Errorf("a library that lies beside a python that does not run by it: %+v, %v", p, err)
	}
	r.Loaded = filepath.Join(r.Libdir, r.InstSoname)
	fake(t, path, r)
	if p, err = Find(Query{Flag: path, Getenv: os.Getenv, Carried: true}); err != nil || p.Library != r.Loaded {
		t.Errorf("a library that python runs by: %+v, %v", p, err)
	}
}

func TestTheMachinesOwnPython(t *testing.T) {
	p, err := Find(Query{Getenv: os.Getenv})
	if err != nil {
		t.Skipf("no usable Python here: %v", err)
	}
	if !isFile(p.Library) || !isFile(p.Executable) {
		t.Errorf("%+v", p)
	}
}
