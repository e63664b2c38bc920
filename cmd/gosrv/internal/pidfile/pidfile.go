// Package pidfile keeps the pidfile setting's file by Gunicorn's rules: one
// line, mode 0644, put in place by rename, never taken from a living process,
// removed only if it still names us.
package pidfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RunningError says that the file names another living process.
type RunningError struct {
	PID  int
	Path string
}

// Error is Gunicorn's sentence.
func (e *RunningError) Error() string {
	return fmt.Sprintf("Already running on PID %d (or pid file '%s' is stale)", e.PID, e.Path)
}

// Create writes pid to path. *RunningError if another process named there
// lives; a file that cannot be read as a number counts as stale.
func Create(path string, pid int) error {
	if old := read(path); old > 0 && old != pid && alive(old) {
		return &RunningError{PID: old, Path: path}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".gosrv-pid-")
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s doesn't exist. Can't create pidfile.", filepath.Dir(path))
	}
	if err != nil {
		return failed(path, err)
	}
	_, err = fmt.Fprintf(f, "%d\n", pid)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return failed(path, err)
	}
	return nil
}

// failed names the pidfile and not the file that was to become it.
func failed(path string, err error) error {
	var file *os.PathError
	if errors.As(err, &file) {
		err = file.Err
	}
	return fmt.Errorf("creating pidfile %s: %w", path, err)
}

// Remove removes path if it names pid.
func Remove(path string, pid int) {
	if read(path) == pid {
		_ = os.Remove(path)
	}
}

// read gives 0 for no file and for one without a number.
func read(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// alive counts a process of another user (EPERM) as living, as Gunicorn does.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
