package system

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// reap collects any child, ours or an orphan that init or a subreaper
// inherits. Nobody else in this process waits for children while the loop runs.
func reap() (int, unix.WaitStatus, bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		return pid, status, err == nil && pid > 0
	}
}

// hasStacks tells whether the process has a handler for the signal for stacks: it
// would end without one.
func hasStacks(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), "\nSigCgt:")
	line, _, _ := strings.Cut(after, "\n")
	caught, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && caught>>(workerctl.StackSignal-1)&1 == 1
}

func askStacks(pid int) { _ = unix.Kill(pid, workerctl.StackSignal) }

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}
