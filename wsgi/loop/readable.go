package loop

import "golang.org/x/sys/unix"

// WaitReadable blocks until a read from fd would not, at most so many
// milliseconds (-1: for ever); a FIN and an error count. false: the time is up,
// or a signal has come.
func WaitReadable(fd int, timeout int) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p[:], timeout)
	return err == nil && n == 1
}
