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
	"runtime"

	_ "gosrv/cgo/zygote"
	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/commands"
	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/daemon"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/python"
	"gosrv/cmd/gosrv/internal/upgrade"
	"gosrv/cmd/gosrv/internal/uwsgi"
	"gosrv/cpython"
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

// run does what this process was started for and gives the exit code.
func run() int {
	if stage := daemon.Look(); stage.Between {
		return failing(daemon.Continue())
	} else if err := upgrade.Continue(); err != nil {
		return fail(err)
	} else if monitor.Ordered() || acme.Ordered() {
		return failing(monitor.Become(os.Args[0]))
	} else if commands.IsTop(os.Args) {
		return failing(monitor.Become("gosrv", os.Args[1:]...))
	} else if commands.Is(os.Args) {
		return commands.Run(os.Args[1:], os.Stdout, os.Stderr)
	} else if wantsManual(os.Args) {
		return manual(os.Args)
	} else if wantsStub(os.Args) {
		return installStub(os.Args)
	} else if uwsgi.Is(os.Args) {
		return uwsgi.Run(os.Args[1:], os.Stdout, os.Stderr)
	} else {
		return serve(stage.Detached)
	}
}

// failing is fail where there may be nothing wrong.
func failing(err error) int {
	if err == nil {
		return 0
	}
	return fail(err)
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
