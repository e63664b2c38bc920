// Package daemon detaches the server from the terminal. A Go program cannot
// fork, so the classical two forks are two executions of the same binary.
package daemon

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const env = "_GOSRV_DAEMON"

// Stages of the way.
const (
	session = "session" // has left the terminal's session, and leads its own
	there   = "there"   // leads nothing: no terminal that is opened becomes its own
)

// umask is Gunicorn's for a daemon.
const umask = 0o22

// Stage is how far this process is on the way.
type Stage struct {
	Between  bool // only here to start the next one
	Detached bool
}

// Look reads the stage from the environment and takes it out of there.
func Look() Stage {
	stage := os.Getenv(env)
	_ = os.Unsetenv(env)
	if stage == there {
		unix.Umask(umask)
	}
	return Stage{Between: stage == session, Detached: stage == there}
}

// Detach starts this program again without a terminal: once more from the
// start, since nothing of a Go process survives a fork. dir and environ are
// those this one was started with. Standard streams become /dev/null; with
// keepOutput (--enable-stdio-inheritance) only standard input does.
func Detach(argv []string, dir string, environ []string, keepOutput bool) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("detaching: %w", err)
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	if keepOutput {
		files[1], files[2] = 1, 2
	}
	return execute(session, argv, dir, environ, files, true)
}

// Continue takes the second step; the caller exits.
func Continue() error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("detaching: %w", err)
	}
	return execute(there, os.Args, dir, os.Environ(), []uintptr{0, 1, 2}, false)
}

func execute(stage string, argv []string, dir string, environ []string, files []uintptr, setsid bool) error {
	_, err := syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
		Dir: dir, Env: append(environ[:len(environ):len(environ)], env+"="+stage), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: setsid},
	})
	if err != nil {
		return fmt.Errorf("detaching: %w", err)
	}
	return nil
}
