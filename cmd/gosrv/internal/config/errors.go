package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Failure is an error that ends the program before it serves.
type Failure interface {
	error
	Stderr() string // what to print on standard error, complete with its last newline
	ExitCode() int  // Gunicorn's exit code for it
}

// UsageError is a command line that cannot be read: argparse's two lines on standard error and exit code 2.
type UsageError struct {
	Message string // as argparse words it: argument -w/--workers: invalid int value: 'two'
}

// UsageLine opens --help, and what is said to a command line that cannot be read.
const UsageLine = "usage: gosrv [OPTIONS] [APP_MODULE]\n"

func (e *UsageError) Error() string  { return e.Message }
func (e *UsageError) Stderr() string { return UsageLine + "gosrv: error: " + e.Message + "\n" }
func (e *UsageError) ExitCode() int  { return 2 }

// Error is a value that is not acceptable: exit code 1. Its text opens with Gunicorn's own message, so that whoever
// looks for that finds it, and goes on with where the value came from and what is allowed.
type Error struct {
	Message string // what is wrong, in Gunicorn's words where it has some
	Source  string // "command line", "GUNICORN_CMD_ARGS", "environment variable X", "gunicorn.conf.py:12"; "" if none
	Setting string // "" if no single setting is at fault
	Value   string // Python repr of the value
	Allowed string // what would be accepted; "" if the message says it
}

func (e *Error) Error() string {
	if e.Source == "" {
		return e.Message
	}
	where := e.Source
	if e.Setting != "" {
		where += ": " + e.Setting + " = " + e.Value
	}
	if e.Allowed != "" {
		where += "; allowed: " + e.Allowed
	}
	return fmt.Sprintf("%s (%s)", e.Message, where)
}

func (e *Error) Stderr() string { return "\nError: " + e.Error() + "\n" }
func (e *Error) ExitCode() int  { return 1 }

// Warning is something the user should read once at start.
type Warning struct {
	Setting string
	Text    string // complete sentence without the setting's name in front
	Quiet   bool   // true: worth a debug line only (the setting has nothing to do here)
}

// String gives the line for the log.
func (w Warning) String() string { return w.Setting + ": " + w.Text }

// locate gives "path:line" of the last assignment to name in a Python file, or the path alone if there is none to see
// (star imports, module:name locations, files that are gone).
func locate(path, name string) string {
	text, err := os.ReadFile(strings.TrimPrefix(path, "file:"))
	if err != nil {
		return path
	}
	assignment := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `\s*(:[^=]*)?=[^=]|^def ` + regexp.QuoteMeta(name) + `\(`)
	line := 0
	for i, text := range strings.Split(string(text), "\n") {
		if assignment.MatchString(text + " ") {
			line = i + 1
		}
	}
	if line == 0 {
		return path
	}
	return fmt.Sprintf("%s:%d", path, line)
}
