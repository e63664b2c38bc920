package wsgi

import (
	"slices"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/access"
	"gosrv/wsgi/caller"
	"gosrv/wsgi/ipc/challenges"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/server"
)

// process is this worker. What the master orders is obeyed by its server, but for what concerns the
// process's files and its end.
type process struct {
	*server.Server
	caller    *caller.Caller
	ctl       *workerctl.Conn
	own       func(fd int, own bool) // marks what a forked child closes
	log       *errlog.Logger
	access    *access.Log
	meter     *metrics.Memory // nil: nothing is measured
	logFDs    map[string]int  // by name in Serve.FDs
	pythonLog func(fd int)    // gives Python's loggers the new error log; nil: not yet
	reforks   bool            // refork_after is set
	reforkFDs []int           // the channel and the library of a zygote to be forked (refork.go)
}

var _ workerctl.Orders = (*process)(nil)

// tell sends a fact to the master. A master that is gone cannot be told; the
// channel's end will say so.
func (p *process) tell(m workerctl.Message) { _ = p.ctl.Send(m) }

// tlsPolicy reads what Serve brings of TLS; nil: plain HTTP is spoken.
func tlsPolicy(names []string, fds []int) (*tlspolicy.Policy, error) {
	i := slices.Index(names, workerctl.FDTLS)
	if i < 0 {
		return nil, nil
	}
	defer unix.Close(fds[i])
	return tlspolicy.Open(fds[i])
}

// asked is what an ACME directory may ask for; nil: nothing is ordered there. The descriptor
// stays open for the worker's life.
func asked(names []string, fds []int) *challenges.File {
	if i := slices.Index(names, workerctl.FDChallenges); i >= 0 {
		return challenges.Of(fds[i])
	}
	return nil
}

// Certificates takes up another TLS policy for the connections that come.
func (p *process) Certificates(fds []int) bool {
	if len(fds) != 1 {
		return false
	}
	policy, err := tlspolicy.Open(fds[0])
	if err == nil {
		err = p.SetTLS(policy)
	}
	if err != nil {
		p.log.Errorf("Cannot take up the certificates: %v", err)
	}
	_ = unix.Close(fds[0])
	return true
}

// ReopenLogs takes new log files over. The old descriptors are replaced in
// place, so that whoever holds their number writes to the new file.
func (p *process) ReopenLogs(names []string, fds []int) bool {
	for i, fd := range fds {
		if i < len(names) {
			if names[i] == workerctl.FDAccessLog && p.access.SetFile(fd) {
				continue // its own from now on
			}
			if old, ok := p.logFDs[names[i]]; ok {
				_ = unix.Dup3(fd, old, unix.O_CLOEXEC)
			}
			if names[i] == workerctl.FDErrorLog {
				errlog.LastWords(fd)
			}
			if names[i] == workerctl.FDErrorLog && p.pythonLog != nil {
				p.pythonLog(fd) // Python's loggers came with a descriptor of their own
			}
		}
		_ = unix.Close(fd)
	}
	return true
}
