package wsgi

import (
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// takeReforkOrder takes the descriptors of an order to refork: what follows is an order to drain.
func takeReforkOrder(w *worker, fds []int) bool {
	if len(fds) != 2 || w.reforkFDs != nil {
		return false
	}
	w.reforkFDs = fds
	return true
}

// lookForReforkOrder looks whether that order waits unread: the order to drain comes by signal, too.
func lookForReforkOrder(w *worker) {
	if w.set.reforks && w.reforkFDs == nil {
		w.control(nil)
	}
}

// forkZygote makes the new zygote once nothing is left to serve. A worker that was told to quit makes
// none, nor does one with a thread that is still inside the application, where it may hold
// locks; the master sees the channel's end. What Go's heap has free is given back
// first: the zygote and its workers carry the heap about and never use it.
func forkZygote(w *eventLoop, refork func(control, library int) error) {
	if w.reforkFDs == nil {
		return
	}
	k := &w.pool
	stuck := w.lost.Load() > 0 || k.size > 1 && int(k.out.Load()) < k.size
	if !stuck && !w.drain.final && !w.quitting.Load() {
		ownFiles(w.worker)
		debug.FreeOSMemory()
		if err := refork(w.reforkFDs[0], w.reforkFDs[1]); err != nil {
			w.log.Errorf("Cannot fork a new zygote: %v", err)
		}
	}
	for _, fd := range w.reforkFDs {
		_ = unix.Close(fd)
	}
	w.reforkFDs = nil
}

// ownFiles marks what is no socket, too: the zygote would keep it for good.
func ownFiles(w *worker) {
	for fd := range openFiles(isServers) {
		w.own(fd, true)
	}
	for _, fd := range w.logFDs {
		w.own(fd, true)
	}
	if w.pool.size > 1 {
		w.own(w.pool.Waker().FD(), true)
		w.own(w.pool.ended.FD(), true)
	}
	for _, fd := range w.reforkFDs {
		w.own(fd, false)
	}
}

// isServers tells the memory that workers share with the master and among each other, and what
// Go's runtime looks up its share of the processors in.
func isServers(target string) bool {
	return memfile.Named(target, "gosrv-") || strings.HasPrefix(target, "/sys/fs/cgroup/cpu") || strings.HasSuffix(target, "/cpu.max")
}
