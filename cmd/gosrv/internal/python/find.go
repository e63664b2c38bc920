// Package python decides which Python serves, and finds its shared library.
package python

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Query is where to look. The first hit wins; one that the user named and that
// does not work is an error, never a reason to look further.
type Query struct {
	Flag   string // --python, "" if not given
	Binary string // path gosrv was started by, symlinks not resolved
	Getenv func(string) string
	// Carried: this program carries the library for a Python without libpython.
	Carried bool
}

// candidate is one place to look.
type candidate struct {
	path     string // what to run
	source   string // how to call it in a message
	explicit bool   // named by the user
}

// candidates lists where to look, in order. It runs nothing; a candidate that
// is not explicit exists as a file.
func (q Query) candidates() []candidate {
	if q.Flag != "" {
		return []candidate{{q.Flag, "--python", true}}
	}
	if p := q.Getenv("GOSRV_PYTHON"); p != "" {
		return []candidate{{p, "GOSRV_PYTHON", true}}
	}
	var list []candidate
	// The venv that holds bin/gosrv, often as a symlink to one installed
	// elsewhere: so the path as written first.
	dirs := []string{filepath.Dir(q.Binary)}
	if real, err := filepath.EvalSymlinks(q.Binary); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		prefix := filepath.Dir(dir)
		switch {
		case isFile(filepath.Join(prefix, "pyvenv.cfg")):
			list = appendLink(list, filepath.Join(dir, "python"), "the virtual environment gosrv lies in")
		case installedBy(prefix):
			list = appendFile(list, filepath.Join(dir, "python3"), "the Python gosrv was installed by")
		}
	}
	if venv := q.Getenv("VIRTUAL_ENV"); venv != "" {
		path := filepath.Join(venv, "bin", "python")
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrPermission) {
			list = append(list, candidate{path: path, source: "VIRTUAL_ENV"}) // another Python is not what was meant
		} else {
			list = appendLink(list, path, "VIRTUAL_ENV")
		}
	}
	for _, name := range []string{"python3", "python"} {
		if p, err := lookPath(name, q.Getenv("PATH")); err == nil {
			list = append(list, candidate{path: p, source: name + " on PATH"})
		}
	}
	return list
}

// places names all places looked at, for the message that says none had one.
func (q Query) places() []string {
	places := []string{
		"--python and GOSRV_PYTHON (not given)",
		filepath.Join(filepath.Dir(q.Binary), "python") + " (not a virtual environment)",
	}
	if venv := q.Getenv("VIRTUAL_ENV"); venv != "" {
		places = append(places, filepath.Join(venv, "bin", "python")+" (VIRTUAL_ENV; no such file)")
	} else {
		places = append(places, "VIRTUAL_ENV (not set)")
	}
	return append(places, "python3 and python on PATH ("+q.Getenv("PATH")+")")
}

// installedBy tells whether the prefix is a Python's own (pyenv, conda, an image's /usr/local) in which pip has put
// gosrv: then that Python is meant, as the first line of a script there would say.
func installedBy(prefix string) bool {
	found, err := filepath.Glob(filepath.Join(prefix, "lib", "python3*", "site-packages", "gosrv-*.dist-info"))
	return err == nil && len(found) > 0
}

// appendLink takes a link into nothing, too: there is a virtual environment, and what is wrong with it is to be said.
func appendLink(list []candidate, path, source string) []candidate {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSymlink != 0 {
		return append(list, candidate{path: path, source: source})
	}
	return appendFile(list, path, source)
}

func appendFile(list []candidate, path, source string) []candidate {
	if isFile(path) {
		list = append(list, candidate{path: path, source: source})
	}
	return list
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// lookPath is exec.LookPath on a PATH of the caller's.
func lookPath(name, path string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "."
		}
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return filepath.Abs(p)
		}
	}
	return "", exec.ErrNotFound
}
