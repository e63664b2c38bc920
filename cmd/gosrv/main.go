// Command gosrv serves WSGI applications: a drop-in replacement for Gunicorn.
//
// One binary, three roles. Started by a user it is the master. The master
// starts it again as the zygote (package cgo/zygote takes that process over
// before main is reached), and the zygote forks workers, in which main is
// reached with Python and the application already there. DESIGN.md has the
// picture.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	_ "gosrv/cgo/zygote"
	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/ctl"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/master"
	"gosrv/cmd/gosrv/internal/python"
	"gosrv/cmd/gosrv/internal/title"
	"gosrv/cpython"
	"gosrv/pyshim"
	"gosrv/wsgi"
)

// init runs on the process's main thread, and only what is locked here stays
// there: that thread is Python's main thread, which alone may run its signal
// handlers. Locked in main, the goroutine could have moved already.
func init() {
	if cpython.InWorker() {
		runtime.LockOSThread()
	}
}

func main() {
	if cpython.InWorker() {
		wsgi.Run() // ends the process itself
	}
	os.Exit(run())
}

// run is the master's whole life; it gives the exit code.
func run() int {
	area := title.Own()             // before anything keeps a piece of os.Args
	activated := listen.Activated() // before the environment is passed on
	cl, err := config.ParseArgs(os.Args[1:], os.LookupEnv)
	if err != nil {
		return fail(err)
	}
	switch cl.Order {
	case config.ShowHelp:
		fmt.Print(config.Help())
		return 0
	case config.ShowVersion:
		fmt.Print(config.VersionText())
		return 0
	}
	py, err := python.Find(python.Query{Flag: namedPython(cl), Binary: startedAs(), Getenv: os.Getenv})
	if err != nil {
		return fail(err)
	}
	shim, err := pyshim.Bundle()
	if err != nil {
		return fail(err)
	}
	path, explicit := cl.ConfigFile()
	m, err := master.New(master.Options{
		Version: config.Version, Argv: os.Args, ConfigPath: path, ConfigExplicit: explicit,
		Python: py.Executable, Library: py.Library, About: py.String(), Shim: shim, Title: area.Set, Activated: activated,
		Resolve: func(loaded ctl.ConfigLoaded) (*master.Plan, error) { return resolve(cl, loaded) },
	})
	if err != nil {
		return fail(err)
	}
	return m.Run()
}

// namedPython is what --python says; GOSRV_PYTHON is left to the search, which
// then names it in its messages.
func namedPython(cl *config.CommandLine) string {
	if p := cl.Python(); p != os.Getenv("GOSRV_PYTHON") {
		return p
	}
	return ""
}

// startedAs is the path this binary was started by, symlinks and all: the venv
// it was called from may be only a link to it.
func startedAs() string {
	name := os.Args[0]
	if !strings.Contains(name, "/") {
		if found, err := exec.LookPath(name); err == nil {
			name = found
		}
	}
	return name
}

// fail prints an error the way its kind is printed, with what to do about it,
// and gives its exit code.
func fail(err error) int {
	var failure config.Failure
	if errors.As(err, &failure) {
		fmt.Fprint(os.Stderr, failure.Stderr())
		return failure.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "gosrv: error: %v\n", err)
	var unusable *python.Error
	if errors.As(err, &unusable) && unusable.Hint != "" {
		fmt.Fprintf(os.Stderr, "gosrv: hint: %s\n", unusable.Hint)
	}
	return 1
}
