package view

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
	"gosrv/wsgi/ipc/workerctl"
)

const (
	// stacksFile is what cgo/process_stacks.c calls the memory file into which faulthandler writes.
	stacksFile = "gosrv-stacks"
	// stacksTime is how long the process may take to write, stacksPause how long it may pause in that.
	stacksTime, stacksPause = 2 * time.Second, 50 * time.Millisecond
	// stacksMost is how much of it is read, in bytes.
	stacksMost = 256 << 10
)

// errNoStacks is what nothing can be done about from here.
var errNoStacks = errors.New("there are no stacks: the worker still boots, has no faulthandler, or the application uses its signal")

// Stacks are the Python stacks of all threads of a worker, as faulthandler writes them: behind a signal, whatever the
// threads are at and whoever has the GIL. Each look makes the worker's file a little longer, until its watchdog writes there.
func Stacks(pid int) (string, error) {
	path, err := stacksPath(pid)
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the stacks of process %d: %w", pid, err)
	}
	defer file.Close()
	before, err := size(file)
	if err != nil {
		return "", err
	}
	if err := unix.Kill(pid, workerctl.StackSignal); err != nil {
		return "", fmt.Errorf("signalling process %d: %w", pid, err)
	}
	last := before
	for end := time.Now().Add(stacksTime); time.Now().Before(end); {
		time.Sleep(stacksPause)
		now, err := size(file)
		if err != nil {
			return "", err
		}
		if now > before && now == last {
			break
		}
		last = now
	}
	text := make([]byte, min(max(last-before, 0), stacksMost))
	if n, _ := file.ReadAt(text, before); n > 0 {
		return inPython(string(text[:n])), nil
	}
	return "", errNoStacks
}

// inPython leaves out the threads that are at nothing of Python's.
func inPython(text string) string {
	var kept []string
	for stack := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if _, frames, _ := strings.Cut(stack, "\n"); strings.TrimSpace(frames) != "<no Python frame>" {
			kept = append(kept, stack)
		}
	}
	if len(kept) == 0 {
		return "no thread is inside Python"
	}
	return strings.Join(kept, "\n\n")
}

func size(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// stacksPath is where the worker's file is to be opened. A process without a handler would end by the signal: it has no such
// file either.
func stacksPath(pid int) (string, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("looking for the stacks of process %d: %w", pid, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if link, err := os.Readlink(path); err == nil && memfile.Named(link, stacksFile) {
			return path, caught(pid)
		}
	}
	return "", errNoStacks
}

// caught tells by its error whether the process has no handler for the signal.
func caught(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("looking for the stacks of process %d: %w", pid, err)
	}
	_, after, _ := strings.Cut(string(text), "\nSigCgt:")
	line, _, _ := strings.Cut(after, "\n")
	handled, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil || handled>>(workerctl.StackSignal-1)&1 == 0 {
		return errNoStacks
	}
	return nil
}
