package wsgi

import (
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// Refork takes the descriptors of an order to refork: what follows is an order to drain.
func (p *process) Refork(fds []int) bool {
	if len(fds) != 2 || p.reforkFDs != nil {
		return false
	}
	p.reforkFDs = fds
	return true
}

// lookForReforkOrder looks whether that order waits unread: the order to drain comes by signal, too.
func (p *process) lookForReforkOrder() {
	if p.reforks && p.reforkFDs == nil {
		p.ctl.ReadOrders(p)
	}
}

// forkZygote makes the new zygote once nothing is left to serve. A worker that is not at rest (server.AtRest)
// makes none; the master sees the channel's end. What Go's heap has free is given back
// first: the zygote and its workers carry the heap about and never use it.
func (p *process) forkZygote(atRest bool, refork func(control, library int) error) {
	if p.reforkFDs == nil {
		return
	}
	if atRest {
		p.ownFiles()
		debug.FreeOSMemory()
		if err := refork(p.reforkFDs[0], p.reforkFDs[1]); err != nil {
			p.log.Errorf("Cannot fork a new zygote: %v", err)
		}
	}
	for _, fd := range p.reforkFDs {
		_ = unix.Close(fd)
	}
	p.reforkFDs = nil
}

// ownFiles marks what is no socket, too: the zygote would keep it for good.
func (p *process) ownFiles() {
	for fd := range openFiles(isServers) {
		p.own(fd, true)
	}
	for _, fd := range p.logFDs {
		p.own(fd, true)
	}
	for _, fd := range p.reforkFDs {
		p.own(fd, false)
	}
}

// isServers tells the memory that workers share with the master and among each other, and what
// Go's runtime looks up its share of the processors in.
func isServers(target string) bool {
	return memfile.Named(target, "gosrv-") || strings.HasPrefix(target, "/sys/fs/cgroup/cpu") || strings.HasSuffix(target, "/cpu.max")
}
