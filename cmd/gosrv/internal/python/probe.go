package python

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Python is a usable interpreter.
type Python struct {
	Executable string // what sys.executable is to be: the venv's own python
	Version    string // "3.11"
	Release    string // "3.11.7", "" if it was not asked
	Library    string // path of the libpython to load; "": it has none, and loads the worker's library itself
	Source     string // where it was found, for the log
}

// String is a line for the log.
func (p *Python) String() string {
	library := p.Library
	if library == "" {
		library = "none: it is linked into python, which loads gosrv's worker"
	}
	return fmt.Sprintf("Python %s at %s (%s), library %s", p.Version, p.Executable, p.Source, library)
}

// Error is a Python that cannot be used, or none; Hint is what to do.
type Error struct {
	Message string
	Hint    string
}

func (e *Error) Error() string { return e.Message }

// probeTimeout bounds the one-off run; a cold start from a slow disk takes a
// few seconds.
const probeTimeout = 30 * time.Second

// probeSource prints what sysconfig knows. -S leaves site out, which may be
// slow or broken and says nothing about the library.
const probeSource = `
import json, struct, sys, sysconfig
v = sysconfig.get_config_var
with open("/proc/self/maps") as maps:
    loaded = [line.split(None, 5)[5].rstrip("\n") for line in maps if "/libpython" in line]
print(json.dumps({
    "implementation": getattr(getattr(sys, "implementation", None), "name", "cpython"),
    "major": sys.version_info[0], "minor": sys.version_info[1],
    "executable": sys.executable, "base_prefix": getattr(sys, "base_prefix", sys.prefix), "pointer": struct.calcsize("P"),
    "libdir": v("LIBDIR"), "ldlibrary": v("LDLIBRARY"), "instsoname": v("INSTSONAME"),
    "multiarch": v("MULTIARCH"), "shared": bool(v("Py_ENABLE_SHARED")), "gil_disabled": bool(v("Py_GIL_DISABLED")),
    "loaded": loaded[0] if loaded else "", "release": sys.version.split()[0],
}))`

// report is what the probe prints.
type report struct {
	Implementation string `json:"implementation"`
	Major          int    `json:"major"`
	Minor          int    `json:"minor"`
	Executable     string `json:"executable"`
	BasePrefix     string `json:"base_prefix"`
	Pointer        int    `json:"pointer"`
	Libdir         string `json:"libdir"`
	LDLibrary      string `json:"ldlibrary"`
	InstSoname     string `json:"instsoname"`
	Multiarch      string `json:"multiarch"`
	Shared         bool   `json:"shared"`
	GILDisabled    bool   `json:"gil_disabled"`
	Release        string `json:"release"`
	Loaded         string `json:"loaded"` // the libpython that this python runs by, "" if it is part of it
}

// minMinor is the oldest CPython 3.x that is supported.
const minMinor = 9

// Find decides which Python serves. It may run that Python once, so it must
// come before the master owns the waiting for children. Errors are *Error.
func Find(q Query) (*Python, error) {
	c, err := q.choose()
	if err != nil {
		return nil, err
	}
	f := readFile(c.path)
	if f != nil {
		if err := f.check(c); err != nil {
			return nil, err
		}
	}
	if p := q.quick(c, f); p != nil {
		return p, nil
	}
	return q.ask(c)
}

// Ask is Find by asking that Python in any case: what it gives is complete.
func Ask(q Query) (*Python, error) {
	c, err := q.choose()
	if err != nil {
		return nil, err
	}
	if f := readFile(c.path); f != nil {
		if err := f.check(c); err != nil {
			return nil, err
		}
	}
	return q.ask(c)
}

// choose takes the first candidate; it may not fall back to the second.
func (q Query) choose() (candidate, error) {
	list := q.candidates()
	if len(list) == 0 {
		return candidate{}, &Error{
			Message: "no Python found; looked at\n  " + strings.Join(q.places(), "\n  "),
			Hint:    "install python3 or pass --python /path/to/python",
		}
	}
	c := list[0]
	if !strings.Contains(c.path, "/") {
		path, err := lookPath(c.path, q.Getenv("PATH"))
		if err != nil {
			return c, &Error{fmt.Sprintf("%s: %s is not on PATH", c.source, c.path), "give the path of a python executable"}
		}
		c.path = path
	}
	return c, c.checkBase()
}

// ask runs the candidate once.
func (q Query) ask(c candidate) (*Python, error) {
	r, err := probe(c)
	if err != nil {
		return nil, err
	}
	if err := r.check(c, q.Getenv); err != nil {
		return nil, err
	}
	// What was asked may be a script; this is the program that it runs.
	if f := readFile(r.Executable); f != nil {
		if err := f.check(c); err != nil {
			return nil, err
		}
	}
	lib, err := r.library(c, q.Carried)
	if err != nil {
		return nil, err
	}
	return &Python{
		Executable: c.executable(r),
		Version:    fmt.Sprintf("%d.%d", r.Major, r.Minor),
		Release:    r.Release,
		Library:    lib,
		Source:     c.source,
	}, nil
}

// executable keeps the path a venv is found by; a name or a wrapper script
// (pyenv's shims) is replaced by what it runs.
func (c candidate) executable(r *report) string {
	if r.Executable != "" {
		return r.Executable
	}
	return c.path
}

func probe(c candidate) (*report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, "-S", "-c", probeSource)
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, &Error{fmt.Sprintf("%s: %s did not answer within %v", c.source, c.path, probeTimeout), "pass --python /path/to/python"}
	}
	if err != nil {
		return nil, &Error{fmt.Sprintf("%s: cannot run %s: %s", c.source, c.path, reason(err, errs.String())), "pass --python /path/to/python"}
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, &Error{fmt.Sprintf("%s: %s does not seem to be a Python 3", c.source, c.path), "pass --python /path/to/python"}
	}
	return &r, nil
}

// reason is the last error, or else the last line, a failed Python said, or the system's error.
func reason(err error, stderr string) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		for _, line := range slices.Backward(lines) {
			if strings.Contains(line, "Error") { // below it a Python that does not start shows its threads
				return line
			}
		}
		if last := lines[len(lines)-1]; last != "" {
			return last
		}
	}
	var pathErr *exec.Error
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "fork/exec ")
}

func (r *report) check(c candidate, getenv func(string) string) error {
	name := fmt.Sprintf("%s (%s) is Python %d.%d", c.path, c.source, r.Major, r.Minor)
	switch {
	case r.Implementation != "cpython":
		return &Error{fmt.Sprintf("%s (%s) is %s, gosrv needs CPython", c.path, c.source, r.Implementation), "pass --python /path/to/cpython"}
	case r.Major != 3 || r.Minor < minMinor:
		return &Error{fmt.Sprintf("%s, gosrv needs 3.%d or newer", name, minMinor), "pass --python /path/to/a/newer/python"}
	case r.GILDisabled && getenv("PYTHON_GIL") == "0":
		return &Error{name + " built without the GIL (free-threaded), and PYTHON_GIL=0 asks to run it so, which gosrv does not: what its threads share" +
			" is guarded by the GIL until its locks are tried with a released 3.14t", "take PYTHON_GIL out of the environment: that Python then serves with its GIL on"}
	case r.Pointer != 8:
		return &Error{name + " for 32 bits, gosrv is built for 64", "pass --python with a 64-bit build"}
	}
	return nil
}

// library finds the shared library: the one that python itself runs by, else, in a build that cannot load the worker
// into python, one of the same version among the places builds are known to put it. "" is to load the worker.
func (r *report) library(c candidate, carried bool) (string, error) {
	if isFile(r.Loaded) {
		return r.Loaded, nil
	}
	if carried {
		return "", nil
	}
	var tried []string
	for _, p := range r.libraryPaths() {
		if isFile(p) {
			return p, nil
		}
		tried = append(tried, p)
	}
	hint := fmt.Sprintf("install the package with %s (Debian: libpython%d.%d), or use a Python built with --enable-shared"+
		" (pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install ...), or pass --python", r.soname(), r.Major, r.Minor)
	return "", &Error{
		Message: fmt.Sprintf("%s (%s) has no shared library; tried\n  %s", c.path, c.source, strings.Join(tried, "\n  ")),
		Hint:    hint,
	}
}

// soname is the library's name with its version, as the dynamic linker knows it.
func (r *report) soname() string {
	if strings.Contains(r.InstSoname, ".so") {
		return r.InstSoname
	}
	return fmt.Sprintf("libpython%d.%d.so.1.0", r.Major, r.Minor)
}

func (r *report) libraryPaths() []string {
	names := []string{r.soname()}
	if plain := fmt.Sprintf("libpython%d.%d.so", r.Major, r.Minor); plain != names[0] {
		names = append(names, plain)
	}
	dirs := []string{r.Libdir, filepath.Join(r.BasePrefix, "lib"), filepath.Join(r.BasePrefix, "lib64")}
	if r.Multiarch != "" {
		dirs = append(dirs, filepath.Join(r.Libdir, r.Multiarch), filepath.Join(r.BasePrefix, "lib", r.Multiarch), "/usr/lib/"+r.Multiarch)
	}
	var paths []string
	seen := map[string]bool{}
	for _, dir := range dirs {
		for _, name := range names {
			p := filepath.Join(dir, name)
			if dir != "" && !seen[p] {
				seen[p] = true
				paths = append(paths, p)
			}
		}
	}
	return paths
}
