package wsgi

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ownRuntime marks the descriptors of Go's runtime as the server's: a child that
// the application forks has no use for them. The runtime opens them with its
// first timer or file, so a timer is made here. Call it before anything else.
func ownRuntime(own func(fd int, own bool)) {
	before := openFiles(isKernelObject)
	time.AfterFunc(time.Hour, func() {}).Stop()
	for fd := range openFiles(isKernelObject) {
		if !before[fd] {
			own(fd, true)
		}
	}
}

// isKernelObject tells the kinds that the runtime uses.
func isKernelObject(target string) bool {
	return target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]"
}

// openFiles are the open descriptors of files that have such a name in /proc.
// Package os is of no use here: opening a file makes the runtime open its own.
func openFiles(match func(target string) bool) map[int]bool {
	found := map[int]bool{}
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return found // a child keeps them, and nothing else
	}
	defer unix.Close(dir)
	var names []string
	buf := make([]byte, 8192)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil || n <= 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	target := make([]byte, 64)
	for _, name := range names {
		n, err := unix.Readlink("/proc/self/fd/"+name, target)
		if err != nil {
			continue
		}
		if match(string(target[:n])) {
			if fd, err := strconv.Atoi(name); err == nil {
				found[fd] = true
			}
		}
	}
	return found
}
