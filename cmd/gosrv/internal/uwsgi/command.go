// Package uwsgi turns a uWSGI ini file into a gunicorn.conf.py: gosrv import-uwsgi.
//
//	ini.go      the file: sections, repeated keys, for, included files
//	text.go     a value: placeholders, magic variables, how Python says it
//	options.go  what each option becomes, or why it becomes nothing
//	convert.go  what several options decide together: application, sockets, logs
//	print.go    the printed file
//
// Facts about uWSGI are those of its 2.0 documentation.
package uwsgi

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const usage = `usage: gosrv import-uwsgi FILE[:SECTION]

Prints a gunicorn.conf.py that says what a uWSGI ini file says, and in its comments what
gosrv does by itself, what has no equivalent, and what needs a decision. Changes nothing.

  gosrv import-uwsgi uwsgi.ini > gunicorn.conf.py && gosrv --check-config
`

// Exit codes.
const (
	done    = 0
	failed  = 1
	misused = 2
)

// Is tells whether a command line asks for the import. No Python module can
// have that name.
func Is(args []string) bool { return len(args) > 1 && args[1] == "import-uwsgi" }

// Run carries out args (the command's name first) and gives the exit code.
func Run(args []string, out, errs io.Writer) int {
	if len(args) == 2 && (args[1] == "-h" || args[1] == "--help") {
		fmt.Fprint(out, usage)
		return done
	}
	if len(args) != 2 || strings.HasPrefix(args[1], "-") {
		fmt.Fprint(errs, usage)
		return misused
	}
	text, err := convert(args[1])
	if err != nil {
		fmt.Fprintf(errs, "gosrv import-uwsgi: %v\n", err)
		return failed
	}
	fmt.Fprint(out, text)
	return done
}

// convert reads a file, named as uWSGI names it, and gives the Python text.
func convert(name string) (string, error) {
	path, section := splitSection(name)
	if err := refuse(path); err != nil {
		return "", err
	}
	f := &file{section: section}
	if err := f.read(path, section, 0); err != nil {
		return "", err
	}
	c := newConversion(f)
	c.run()
	return c.print(path), nil
}

// splitSection takes the section off FILE:SECTION; uWSGI's own is called uwsgi.
func splitSection(name string) (path, section string) {
	if _, err := os.Stat(name); err != nil {
		if i := strings.LastIndexByte(name, ':'); i > 0 {
			return name[:i], name[i+1:]
		}
	}
	return name, "uwsgi"
}

// refuse names the formats of uWSGI that are not read.
func refuse(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".xml", ".yaml", ".yml", ".json", ".js", ".sqlite", ".ldap", ".lua", ".pl":
		return fmt.Errorf("%s: only ini files are read, not %s; write the options as `key = value` lines below [uwsgi]", path, ext[1:])
	}
	if strings.Contains(path, "://") {
		return errors.New(path + ": only files are read; save it first")
	}
	return nil
}
