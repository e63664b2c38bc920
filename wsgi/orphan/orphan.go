// Package orphan ends a worker that does not come to its end after its master.
package orphan

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/logs/errlog"
)

// lastLine is how long, at most, the line about its end may hold up a worker
// without a master: the log may be a pipe that nobody reads any more.
const lastLine = 100 * time.Millisecond

// Follow sees to it that this worker ends after its master, at the other end of
// the channel. Until now the kernel would have killed it with the master; from
// here on it drains, by the channel's end (control) and by SIGTERM, as at any
// other stop. But a thread that is stuck in the application, with the GIL or
// without, keeps it from both, and nobody is left to kill it: a goroutine does,
// as long after it as a drain may take then, by grace. It enters no Python and
// waits for no lock of the loop's. Call it on the main thread.
func Follow(channel int, grace func() time.Duration, log *errlog.Logger) {
	go func() {
		if !hungUp(channel) {
			return
		}
		left := grace()
		time.Sleep(left)
		go log.Criticalf("Worker (pid:%d) has not ended %.1fs after its master: killed", os.Getpid(), left.Seconds())
		time.Sleep(lastLine)
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}()
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
}

// hungUp waits until the other end of a channel is closed; false if that cannot
// be waited for.
func hungUp(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd)}} // what is not asked for is the end
	for {
		_, err := unix.Poll(poll, -1)
		if err != unix.EINTR {
			return err == nil && poll[0].Revents&unix.POLLHUP != 0
		}
	}
}
